# A hand at the other end of a port of virtio: QEMU's monitor, or a program of ours.

# take_hand NODE: the port's
take_hand() { exec 3<> "$1"; }

# say WORDS...: tells it something, and prints the answer
say() {
    local answer
    echo "$*" >&3
    while read -r answer <&3; do
        # QEMU's monitor tells of events too
        case $answer in
        *'"event"'* | *'"QMP"'*) ;;
        *) echo "$answer"; return ;;
        esac
    done
}

# greet: before anything else is said to QEMU's monitor
greet() { say '{"execute": "qmp_capabilities"}' > /dev/null; }

# send EVENT...: QEMU's monitor moves its mouse
send() {
    say "{\"execute\": \"input-send-event\", \"arguments\": {\"events\": [$1]}}" | grep -q '"return"' ||
        fail "QEMU does not send $1"
}

