"""What another policy would have brought, estimated from a log with known probabilities. numpy only; knows no database."""
