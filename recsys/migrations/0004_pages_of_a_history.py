from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_one_time_password_and_roles'),
        ('recsys', '0003_reading_of_one_listener'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='feedback',
            index=models.Index(fields=['listener', 'kind', '-occurred_at', '-id'], name='feedback_of_a_kind'),
        ),
        migrations.AddIndex(
            model_name='feedback',
            index=models.Index(fields=['listener', 'track', '-occurred_at', '-id'], name='feedback_of_a_track'),
        ),
    ]
