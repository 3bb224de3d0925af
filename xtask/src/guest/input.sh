# A mouse under udrvd: Linux's own i8042 or pcips2 has the port, serio_raw passes its bytes, and uinput shows what comes out.
# First Linux's own psmouse has it, as the baseline.
. /guest/lib.sh
. /guest/mouse # KIND: qemu or model; PORT, what the port's description begins with; KEYS and RELATIVE, as sysfs shows what it has

take_hand /dev/vport0p1

# move RIGHT TOWARDS: in counts; press and release BUTTON; turn CLICKS, away from the user; rest: until all of it has been read
if [ "$KIND" = qemu ]; then
    greet
    move() {
        send "{\"type\": \"rel\", \"data\": {\"axis\": \"x\", \"value\": $1}}, {\"type\": \"rel\", \"data\": {\"axis\": \"y\", \"value\": $2}}"
    }
    button() { send "{\"type\": \"btn\", \"data\": {\"button\": \"$1\", \"down\": $2}}"; }
    press() { button "$1" true; }
    release() { button "$1" false; }
    turn() {
        local left=${1#-} name=wheel-up
        [ "$1" = "$left" ] || name=wheel-down
        while [ "$left" -gt 0 ]; do
            button $name true
            button $name false
            left=$((left - 1))
        done
    }
    rest() { :; }
else
    does() { [ "$(say "$@")" = done ] || fail "the hand does not $*"; }
    move() {
        does move "$1" $((-$2)) 60
        rest
    }
    # seen each for itself: the mouse looks at its buttons now and then
    press() { does press "$1" && rest; }
    release() { does release "$1" && rest; }
    turn() { does turn "$1" && rest; }
    rest() { does rest; }
fi

# of what has gone through so far
right=0
towards=0
clicks=0
presses=

# leg NUMBER: a piece of the way, with a button held or the wheel turned
leg() {
    local x=$((($1 * 37) % 101 - 50)) y=$((($1 * 53) % 89 - 44)) name= code=
    case $(($1 % 4)) in
    0) name=left code=272 ;;
    1) name=right code=273 ;;
    2) name=middle code=274 ;;
    3)
        turn $(($1 % 5 - 1))
        clicks=$((clicks + $1 % 5 - 1))
        ;;
    esac
    [ -z "$name" ] || press $name
    move $x $y
    [ -z "$name" ] || { release $name && presses="$presses $code=1 $code=0"; }
    right=$((right + x))
    towards=$((towards + y))
}

begin() {
    right=0 towards=0 clicks=0 presses=
    listen "$1"
}

# end NAME: a last click of the left button, and when that has come out, all before it has
end() {
    press left && within 20 seen 1 272 1 && release left && within 20 last_is 1 272 0 || fail "the last click of $1 does not come out: $(list | tail -n 3)"
    presses="$presses 272=1 272=0"
    listened "$1"
}
last_is() { list | grep '^1 ' | tail -n 1 | grep -q "^$1 $2 $3\$"; }

# came: what came out, and what should have
came() { echo "$(sum 0) right, $(sum 1) towards, $(sum 8) clicks;$(list | awk '$1 == 1 { printf " %d=%d", $2, $3 }')"; }
should() { echo "$right right, $towards towards, $clicks clicks;$presses"; }
is_exact() {
    [ "$(came)" = "$(should)" ] || fail "$1: out came $(came), and the hand did $(should)"
    echo "$1: exact: $right right, $towards towards, $clicks clicks, $(echo "$presses" | wc -w) presses and releases"
}

# port: prints the folder of the serio port
port() {
    grep -l "^$PORT" /sys/bus/serio/devices/*/description 2> /dev/null | head -n 1 | xargs -r dirname
}
driver() { [ ! -e "$(port)/driver" ] || basename "$(readlink "$(port)/driver")"; }
# event_of FOLDER: prints the device that an input device in it has
event_of() {
    local event
    event=$(ls -d "$1"/event* 2> /dev/null | head -n 1)
    [ -z "$event" ] || [ ! -c "/dev/input/$(basename "$event")" ] || echo "/dev/input/$(basename "$event")"
}
linux_event() { event_of "$(ls -d "$(port)"/input/input* 2> /dev/null | head -n 1)"; }
linux_has_it() { [ "$(driver)" = psmouse ] && [ -n "$(linux_event)" ] && [ -e "$(port)/protocol" ]; }
our_folder() { grep -l "udrv" /sys/devices/virtual/input/input*/phys 2> /dev/null | head -n 1 | xargs -r dirname; }
our_event() { event_of "$(our_folder)"; }
has_our_event() { [ -n "$(our_event)" ]; }
answers() { udrvctl status "$DEVICE" > /dev/null 2>&1; }

within 20 linux_has_it || fail "Linux's psmouse does not take $PORT"
DEVICE=serio:$(basename "$(port)")
begin "$(linux_event)"
for number in 0 1 2 3 4 5 6 7 8 9 10 11; do leg $number; done
end baseline
is_exact "Linux's psmouse at $DEVICE, $(cat "$(port)/protocol")"

echo "refusals:"
keyboard=$(grep -l -i "kbd\|keyboard" /sys/bus/serio/devices/*/description | head -n 1 | xargs -r dirname)
refused 'modprobe serio_raw' udrvd run "$DEVICE" --no-input
[ "$(driver)" = psmouse ] || fail "a refusal has taken the port from Linux's driver: $(driver)"
insmod /guest/modules/serio_raw.ko || fail "no serio_raw"
[ -z "$keyboard" ] || refused 'keyboard' udrvd run "serio:$(basename "$keyboard")" --no-input
refused 'serio99' udrvd run serio:serio99 --no-input
refused 'modprobe uinput' udrvd run "$DEVICE" --uinput mouse
[ "$(driver)" = psmouse ] || fail "a refusal has kept the port: $(driver)"
insmod /guest/modules/uinput.ko || fail "no uinput"
within 5 [ -c /dev/uinput ] || fail "no /dev/uinput"

udrvd run "$DEVICE" --uinput mouse --deadline 100 --resolution 200 > /results/udrvd.log 2>&1 &
udrvd=$!
within 20 answers || { cat /results/udrvd.log; fail "udrvd does not answer"; }
within 10 has_our_event || fail "no input device of udrv's"
udrvctl status "$DEVICE"
refused 'another daemon' udrvd run "$DEVICE" --no-input
ours=$(our_folder)
abilities="$(cat "$ours/capabilities/key" | cut -d ' ' -f 1) $(cat "$ours/capabilities/rel")"
echo "input device: $(cat "$ours/name"), $(cat "$ours/phys"), buttons and axes $abilities"
[ "$abilities" = "$KEYS $RELATIVE" ] || fail "it should have $KEYS $RELATIVE"
[ "$(driver)" = serio_raw ] || fail "serio_raw does not have the port: $(driver)"

begin "$(our_event)"
for number in 0 1 2 3 4 5 6 7 8 9 10 11; do leg $number; done
end undisturbed
is_exact "udrvd at $DEVICE"

# faults where the mouse's bytes go through: nothing may be lost
begin "$(our_event)"
udrv-judge storm "$DEVICE" --only traffic --done /tmp/traffic-is-over > /results/traffic.json &
storm=$!
number=0
while [ ! -e /tmp/traffic-is-over ]; do
    leg $number
    number=$((number + 1))
done
wait "$storm" || fail "the storm in interrupt: status $?"
end traffic
is_exact "under faults in interrupt"

# and in all the others, which send the mouse commands: movement is lost to them, no button is stuck
begin "$(our_event)"
udrv-judge storm "$DEVICE" --only command --done /tmp/command-is-over > /results/command.json &
storm=$!
while [ ! -e /tmp/command-is-over ]; do
    leg $number
    number=$((number + 1))
done
wait "$storm" || fail "the storm in the others: status $?"
end command
echo "under faults in the others: out came $(sum 0) right, $(sum 1) towards; the hand did $right, $towards"
held=$(list | awk '$1 == 1 { is[$2] = $3 } END { for (code in is) if (is[code]) printf " %d", code }')
[ -z "$held" ] || fail "buttons are stuck:$held"
[ "$(our_folder)" = "$ours" ] || fail "the input device is another one: $(our_folder)"

begin "$(our_event)"
for number in 0 1 2 3 4 5 6 7 8 9 10 11; do leg $number; done
end afterwards
is_exact "after all faults"
udrvctl --json status "$DEVICE" > /results/status.json
udrvctl status "$DEVICE"

kill -TERM "$udrvd"
wait "$udrvd" || { cat /results/udrvd.log; fail "udrvd ended with status $?"; }
[ -e "/run/udrv/$DEVICE.sock" ] && fail "udrvd left its control socket behind"
[ -z "$(our_folder)" ] || fail "udrvd left its input device behind"
within 20 linux_has_it || fail "Linux's psmouse does not have the port back: $(driver)"
begin "$(linux_event)"
for number in 0 1 2 3 4 5 6 7 8 9 10 11; do leg $number; done
end returned
is_exact "given back to Linux's psmouse, $(cat "$(port)/protocol")"
exit 0
