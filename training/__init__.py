"""Slots, runs, policy versions, schedule, promotion gate, dashboard. Knows no recommender and no composer."""
