# The policy of the README: the call is denied with EPERM and recorded once, a file-backed mapping passes.
krsi load no-anonymous-exec.o
krs-guest anon-mprotect-exec file-mprotect-exec anon-mprotect-read
events no-anonymous-exec | sed 's/"boot_ns":[0-9]*/"boot_ns":N/; s/"pid":[0-9]*/"pid":N/; s/"tgid":[0-9]*/"tgid":N/; s/"time":"[^"]*"/"time":T/; s/"doc":[^}]*"errno"/"errno"/'
count_events no-anonymous-exec
