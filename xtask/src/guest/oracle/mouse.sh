
# Linux's own drivers on our model of a mouse: pcips2 has the controller, psmouse the mouse, evdev what comes out. A port of
# virtio leads to the hand.
HAND=/dev/vport0p1
SLOT=/sys/bus/pci/devices/0000:00:04.0

# hand WORDS...: has it do something, and prints the answer
hand() {
    echo "$*" >&3
    read -r answer <&3
    echo "$answer"
}

# setting NAME: of the mouse
setting() {
    hand settings | sed -n "s/.*\<$1 \([^ ]*\).*/\1/p"
}
counter() {
    hand counters | sed -n "s/.*\<$1 \([^ ]*\).*/\1/p"
}
setting_is() { [ "$(setting "$1")" = "$2" ]; }

# port: prints the serio port that the controller has made
port() {
    ls -d "$SLOT"/serio* 2> /dev/null | head -n 1
}
driver() { basename "$(readlink "$(port)/driver")" 2> /dev/null; }
events() { ls -d "$(port)"/input/input*/event* 2> /dev/null | head -n 1; }
works() {
    [ "$(driver)" = psmouse ] && [ -n "$(events)" ] && [ -c "/dev/input/$(basename "$(events)")" ] &&
        setting_is enabled yes
}

# begin: what Linux says from now on is kept
begin() { listen "/dev/input/$(basename "$(events)")"; }

# end: a click of the left button, and when its end has come, all before it has
end() {
    hand press left > /dev/null
    within 20 seen 1 272 1 && hand release left > /dev/null && within 20 seen 1 272 0
    local status=$?
    listened "$1"
    return $status
}

# glide RIGHT AWAY MS: moves, and waits until all of it has been read: no counter can overflow meanwhile that is not full by itself
glide() {
    [ "$(hand move "$@")" = done ] && [ "$(hand rest)" = done ]
}

# moves_exactly NAME: along a path of pieces of at most 255 counts, at one count for an eighth of a millimetre
moves_exactly() {
    begin
    local right=0 away=0 piece status=0
    for piece in "200 -100 300" "-250 250 400" "1 0 1" "0 -1 1" "255 255 50" "-255 -255 900" "7 -3 20" "-40 90 250"; do
        glide $piece || status=1
        right=$((right + ${piece%% *}))
        piece=${piece#* }
        away=$((away + ${piece%% *}))
    done
    end "$1" || status=1
    moved="$(sum 0) right, $(sum 1) towards the user; the hand $right and $((-away))"
    [ $status = 0 ] && [ "$(sum 0)" = $right ] && [ "$(sum 1)" = $((-away)) ]
}

exec 3<> "$HAND"
within 20 works
result bound $? "$(driver) at $(basename "$(port)"), $(basename "$(events)"): $(hand settings)"

protocol=$(cat "$(port)/protocol")
[ "$protocol" = "$PROTOCOL" ] && setting_is id "$ID"
result protocol $? "$protocol, identifier $(setting id)"

# the kernel's list of codes: 272 to 276 are left, right, middle, side, extra; 8 is the wheel
capabilities=$(cat "$(port)"/input/input*/capabilities/key) && relative=$(cat "$(port)"/input/input*/capabilities/rel)
[ "${capabilities%% *}" = "$KEYS" ] && [ "$relative" = "$RELATIVE" ]
result abilities $? "buttons ${capabilities%% *}, relative axes $relative"

setting_is rate 100 && setting_is resolution 3 && setting_is doubled no && setting_is remote no
result settings $? "$(hand settings)"

moves_exactly motion
result motion $? "$moved, $(counter overflows) overflows"

begin
names="left right middle side extra"
expected=
for number in $(seq 0 $((BUTTONS - 1))); do
    name=$(echo "$names" | cut -d ' ' -f $((number + 1)))
    for round in 1 2; do
        hand press "$name" > /dev/null && hand rest > /dev/null
        hand release "$name" > /dev/null && hand rest > /dev/null
        expected="$expected $((272 + number))=1 $((272 + number))=0"
    done
done
# all of them down, and then up in another order
for name in left middle right; do
    hand press "$name" > /dev/null && hand rest > /dev/null
done
for name in middle left right; do
    hand release "$name" > /dev/null && hand rest > /dev/null
done
end buttons
status=$?
expected="$expected 272=1 274=1 273=1 274=0 272=0 273=0 272=1 272=0"
got=$(list | awk '$1 == 1 { printf " %d=%d", $2, $3 }')
[ $status = 0 ] && [ "$got" = "$expected" ]
result buttons $? "$(echo "$got" | wc -w) of $(echo "$expected" | wc -w) presses and releases"

if [ "$ID" = 0 ]; then
    none wheel "it has none"
else
    begin
    for clicks in 1 -1 3 -7 20 -2; do
        hand turn $clicks > /dev/null && hand rest > /dev/null
    done
    end wheel
    status=$?
    up=$(list | awk '$1 == 2 && $2 == 8 && $3 > 0 { sum += $3 } END { print sum + 0 }')
    down=$(list | awk '$1 == 2 && $2 == 8 && $3 < 0 { sum += $3 } END { print sum + 0 }')
    [ $status = 0 ] && [ "$up" = 24 ] && [ "$down" = -10 ]
    result wheel $? "$up away from the user, $down towards"
fi

lost=
for rate in 10 20 40 60 80 200; do
    echo $rate > "$(port)/rate" && setting_is rate $rate && [ "$(cat "$(port)/rate")" = $rate ] || lost="$lost $rate"
done
echo 40 > "$(port)/rate"
begin
before=$(counter packets)
glide 200 0 2000
packets=$(($(counter packets) - before))
end rate
# two seconds at 40 a second; an emulated machine may be late for some
[ -z "$lost" ] && [ "$(sum 0)" = 200 ] && [ $packets -gt 40 ] && [ $packets -le 81 ]
result rate $? "$packets packets in 2 s at 40 a second${lost:+; not set:$lost}"

lost=
for pair in 25:0 50:1 100:2 200:3; do
    echo "${pair%:*}" > "$(port)/resolution" && setting_is resolution "${pair#*:}" || lost="$lost ${pair%:*}"
done
echo 50 > "$(port)/resolution"
begin
glide 200 -40 300
end resolution
[ -z "$lost" ] && [ "$(sum 0)" = 50 ] && [ "$(sum 1)" = 10 ]
result resolution $? "a path of 25 mm is $(sum 0) counts at 50 dpi${lost:+; not set:$lost}"

# what Linux has set comes back after the plug, where Linux does not take it for another mouse
before=$(counter plugged-in)
hand unplug > /dev/null && hand rest > /dev/null && setting_is plugged-in no && setting_is enabled no
gone=$?
hand plug-in > /dev/null
within 30 works && within 10 setting_is resolution "$RESOLUTION_AGAIN" && setting_is rate "$RATE_AGAIN" &&
    setting_is id "$ID" && [ $gone = 0 ] && [ "$(counter plugged-in)" = $((before + 1)) ] &&
    begin && glide 200 0 300 && end replug && [ "$(sum 0)" = $((200 << RESOLUTION_AGAIN >> 3)) ]
result replug $? "$(hand settings)"
echo 200 > "$(port)/resolution"

resets=$(counter resets)
rmmod psmouse
# nobody reads, and the driver has left reports on: what is moved now must not come out later
hand move 100 100 50 > /dev/null
insmod /guest/modules/psmouse.ko && within 20 works && [ "$(cat "$(port)/protocol")" = "$PROTOCOL" ] &&
    [ "$(counter resets)" -gt "$resets" ] && moves_exactly reload
result reload $? "$moved; $(hand counters)"

line=$(grep pcips2 /proc/interrupts)
count=$(echo "$line" | sed 's/^ *[0-9]*: *//' | tr -s ' ' '\n' | sed -n '/^0*[1-9][0-9]*$/p' | head -n 1)
[ -n "$count" ]
result interrupts $? "${count:-none}, $(counter to-host) bytes"

# words of psmouse and pcips2 that tell of something wrong
dmesg | grep -i -e psmouse -e pcips2 | grep -i -e 'lost sync' -e 'bad data' -e 'bad parity' -e fail -e 'reconnect request' > /results/words
[ ! -s /results/words ]
result silent $? "$(head -n 1 /results/words)"
cat /proc/bus/input/devices > /results/devices
exit 0
