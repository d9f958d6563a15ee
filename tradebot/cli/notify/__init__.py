"""The verb `notify`: tries the receivers of alerts, and watches a daemon from outside."""
