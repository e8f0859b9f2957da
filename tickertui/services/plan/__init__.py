"""What is wanted and which socket carries it: rules to instruments, instruments to sockets, one plan to the next.

`SubscriptionReconciler` and `SubscriptionReloader` are its doors: the ticker loop, the screens and the commands use
them. Imports `contracts` and `supervision` of the services; it never speaks to the broker.
"""
