# What the cases' scripts share. They run by `sh -eu` as root in the guest, in the case's folder.

# One line for each event of a policy, oldest first; takes them out of its buffer.
events() {
  krsi events "$1" --format json
}

# How many events a policy has waiting.
count_events() {
  events "$1" | wc -l
}

# Runs a command that must fail, and prints what it said; its status is in $status afterwards.
fails() {
  status=0
  "$@" >/tmp/said 2>&1 || status=$?
  if [ $status = 0 ]; then
    echo "this did not fail: $*"
    cat /tmp/said
    exit 1
  fi
}
