"""What every benchmark measures with: processes, processor time, the state of the machine, the report."""
