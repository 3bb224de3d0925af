
# What comes out of an input device, kept and looked at.

# listen DEVICE: what it says from now on is kept
listen() {
    device=$1
    cat "$device" > /tmp/events &
    reader=$!
    within 10 has_open || fail "cat does not open $device"
}
has_open() { ls -l "/proc/$reader/fd" 2> /dev/null | grep -q "$device"; }

# listened NAME: ends it, and leaves what was heard in the results
listened() {
    kill "$reader" 2> /dev/null
    wait "$reader" 2> /dev/null
    list > "/results/events-$1"
}

# list: prints the events, a line each: type code value
list() {
    # struct input_event: two words of time, type, code, value
    od -A n -v -w24 -t d4 /tmp/events | awk '{ print $5 % 65536, int($5 / 65536), $6 }'
}

# seen TYPE CODE VALUE: whether that event has come
seen() { list | grep -q "^$1 $2 $3\$"; }

# sum CODE: of relative movement
sum() {
    list | awk -v code="$1" '$1 == 2 && $2 == code { sum += $3 } END { print sum + 0 }'
}
