# The loopback card with udrv behind it, and ALSA's programs before it. Stream 0 of the device is played into, and stream 1 gives
# the same back.
. /guest/lib.sh
LOG=/results/loop.log
# What is played before udrv has noticed is lost, and emulation is slow: at most so many milliseconds of it.
LEAD=300

# lines of the log that count no more
mark=0
: > "$LOG"

# heard TEXT: whether the bridge has said it by now
heard() {
    tail -n "+$((mark + 1))" "$LOG" | grep -q "$1"
}

# said TEXT: waits until the bridge has said it; what is looked for next must come after it
said() {
    within 20 heard "$1" || { cat "$LOG"; fail "the bridge did not say '$1'"; }
    mark=$((mark + $(tail -n "+$((mark + 1))" "$LOG" | grep -n -m 1 "$1" | cut -d : -f 1)))
}

# both_said TEXT: of both streams, in any order
both_said() {
    within 20 heard "^$1 0" && within 20 heard "^$1 1" || { cat "$LOG"; fail "no $1 of both"; }
    said "^$1"
    said "^$1"
}

# serve [CARD]: starts the device behind the card; its commands go to descriptor 3. Its process is $loop.
serve() {
    rm -f /tmp/say
    mkfifo /tmp/say
    sound_loop serve "$@" < /tmp/say >> "$LOG" 2>&1 &
    loop=$!
    exec 3> /tmp/say
    xruns=0
    said '^ready'
}

# ended: has the bridge end in order
ended() {
    exec 3>&-
    wait "$loop" || { cat "$LOG"; fail "the bridge ended with an error"; }
    said '^ended'
}

# refuses TEXT [CARD]: the bridge does not come up, and says why
refuses() {
    text=$1
    shift
    ! sound_loop serve "$@" < /dev/null > /tmp/refused 2>&1 || fail "the bridge comes up where it should say '$text'"
    grep -q "$text" /tmp/refused || { cat /tmp/refused; fail "the bridge does not say '$text'"; }
    tail -n 1 /tmp/refused
}

# count_xruns: how often an end of the bridge has run full or empty, into $xruns
count_xruns() {
    echo xruns >&3
    said '^xruns: '
    xruns=$(sed -n "${mark}s/^xruns: //p" "$LOG")
}

# through FILE BITS CHANNELS RATE: plays a file, records it with these, and finds the one in the other
through() {
    rm -f /tmp/recorded.wav
    arecord -q -D hw:Loopback,0,1 -f "S$2_LE" -c "$3" -r "$4" /tmp/recorded.wav &
    recorder=$!
    said "^start 1 S16 $3 $4"
    aplay -q -D hw:Loopback,0,0 "$1" || fail "aplay of $1"
    said "^stop 0 after [1-9]"
    # until the last of it has gone through the cable to the recorder
    within 10 grep -q 'state: XRUN' /proc/asound/Loopback/pcm1p/sub1/status || fail "the recorder's cable does not run empty"
    # and arecord has written what it had read: half a second more than there was
    enough=$(($(stat -c %s /tmp/recorded.wav) + $2 / 8 * $3 * $4 / 2))
    within 10 recorded_is "$enough" || fail "arecord does not go on"
    kill -INT "$recorder"
    wait "$recorder"
    said '^stop 1'
    # a busy machine stands still for longer than 100 ms now and then: our end has run empty then, and must have said so
    before=$xruns
    count_xruns
    sound_loop find "$1" /tmp/recorded.wav "$LEAD" $((xruns - before)) || fail "$1 does not come back as it was"
}

# recorded_is BYTES: so much has been written
recorded_is() {
    [ "$(stat -c %s /tmp/recorded.wav)" -ge "$1" ]
}

# control NAME VALUE: sets it as an application does
control() {
    amixer -q -c Loopback cset "iface=MIXER,name='$1'" "$2" || fail "amixer does not set $1"
}

# has NAME VALUE: whether the card shows it
has() {
    amixer -c Loopback cget "iface=MIXER,name='$1'" | grep -q ": values=$2\$"
}

# shift DEVICE SUBDEVICE VALUE: whether the cable's rate is shifted by this
shifted() {
    amixer -c Loopback cget "iface=PCM,name='PCM Rate Shift 100000',device=$1,subdevice=$2" | grep -q ": values=$3\$"
}

sound_loop make /tmp/dvd.wav 48000 2 16 1.5
sound_loop make /tmp/cd.wav 44100 1 16 1
sound_loop make /tmp/wide.wav 48000 2 32 1
sound_loop make /tmp/short.wav 48000 2 16 0.3
sound_loop make /tmp/fast.wav 96000 2 16 0.5

refuses "no sound card 'x' (there are: 0 \[Loopback\] Loopback" x
serve
cat "$LOG"

# played, and recorded as it was, twice, and then another sound
through /tmp/dvd.wav 16 2 48000
through /tmp/dvd.wav 16 2 48000
through /tmp/cd.wav 16 1 44100
echo "bit for bit: 48000 Hz twice, 44100 Hz mono"
# more bits than the chip has: libasound cuts them off, and puts them back
through /tmp/wide.wav 32 2 48000
grep -q 'S32_LE, 2 channels, 48000 Hz as Sound' "$LOG" || fail "no word of the conversion"
aplay -q -D hw:Loopback,0,0 /tmp/fast.wav || fail "aplay of 96000 Hz"
said 'S16_LE, 2 channels, 96000 Hz as Sound'
said '^start 0 S16 2 48000'
said '^stop 0 after [1-9]'
echo "converted: S32_LE, 96000 Hz"

# one after the other, each free to choose
for n in 1 2 3; do
    aplay -q -D hw:Loopback,0,0 /tmp/short.wav && aplay -q -D hw:Loopback,0,0 /tmp/fast.wav ||
        fail "who comes next cannot choose, time $n"
done
for n in 1 2 3 4 5 6; do
    said '^start 0'
    said '^stop 0 after [1-9]'
done
echo "in turn: each with what it chose"

# as the default of all applications: the file of docs/sound.md, but for the number of the stream that is recorded from
cat > /etc/asound.conf <<'END'
pcm.!default {
    type asym
    playback.pcm { type plug slave.pcm { type dmix ipc_key 8139 slave { pcm "hw:Loopback,0,0" rate 48000 channels 2 } } }
    capture.pcm { type plug slave.pcm "hw:Loopback,0,1" }
}
ctl.!default { type hw card Loopback }
END
# two at once, of which neither has what the card is set to
aplay -q /tmp/cd.wav &
player=$!
aplay -q /tmp/fast.wav && wait "$player" || fail "aplay with dmix"
said '^start 0 S16 2 48000'
said '^stop 0 after [1-9]'
arecord -q -f cd -d 1 /tmp/recorded.wav || fail "arecord with the file"
said '^start 1 S16 2 44100'
said '^stop 1'
amixer cget "iface=MIXER,name='Input Source'" > /dev/null || fail "amixer with the file"
rm /etc/asound.conf
echo "as the default: mixed, converted, recorded"

# udrv stands still for longer than its end has room: that is counted, and no end
aplay -q -D hw:Loopback,0,0 -f dat -d 3 /dev/zero &
player=$!
said '^start 0'
kill -STOP "$loop"
until grep -q 'state: XRUN' /proc/asound/Loopback/pcm1c/sub0/status; do
    kill -0 "$player" || fail "our end did not run full"
    usleep 20000
done
kill -CONT "$loop"
said 'our end of the line has run full'
wait "$player" || fail "aplay noticed"
said '^stop 0 after [1-9]'
echo "stood still: counted"

# the controls of the chip
amixer -c Loopback contents > /results/contents
amixer -c Loopback > /results/mixer
grep -q "dBscale-min=-46.50dB,step=1.50dB,mute=0" /results/contents || fail "no levels in decibels"
grep -q "Simple mixer control 'Master',0" /results/mixer || fail "mixers do not show it"
has 'Master Playback Volume' 20,21 || fail "not the device's value"
control 'Master Playback Volume' 5,6
said '^set 0 5 6'
control 'Master Playback Switch' off
said '^set 1 0 0'
control 'Input Source' CD
said '^set 2 1 0'
control 'Master Playback Volume' 13,13
said '^set 0 13 13'
within 10 has 'Master Playback Volume' 5,6 || fail "what the device refused is still shown"
sound_loop turn Loopback 'Master Playback Volume' 9 || fail "a program of one line cannot turn it"
said '^set 0 9 9'
# a kernel that looks at values refuses one out of range; of one that does not, we put it right
if sound_loop turn Loopback 'Master Playback Volume' 99; then
    said '^set 0 31 31'
    within 10 has 'Master Playback Volume' 31,31 || fail "a value out of range is still shown"
    echo "controls: bounded by us"
fi
echo 'show 0 7 8' >&3
within 10 has 'Master Playback Volume' 7,8 || fail "what the device has changed is not shown"
echo "controls: seen, set, refused, changed"

# the clocks
echo 'follow 0 1000' >&3
said '^follows: true'
shifted 1 0 99900 && shifted 0 1 100000 || fail "not the cable that is played into"
echo 'follow 1 -500' >&3
said '^follows: true'
shifted 0 1 100050 || fail "not the cable that is recorded from"
echo "clocks: followed"

# given up by the class: a word in the log, no stop, and the next application has it again
aplay -q -D hw:Loopback,0,0 /tmp/dvd.wav &
player=$!
said '^start 0'
echo 'fail 0' >&3
said 'nothing of this application is heard or recorded: it was told to'
wait "$player" || fail "aplay noticed"
! heard '^stop 0' || fail "a stop for what had failed"
aplay -q -D hw:Loopback,0,0 /tmp/dvd.wav
said '^stop 0 after [1-9]'

# somebody else
refuses 'Loopback is in use by sound_loop'
ended
arecord -q -D hw:Loopback,1,0 -f cd /dev/null &
thief=$!
within 10 grep -q owner_pid /proc/asound/Loopback/pcm1c/sub0/status || fail "the subdevice is not taken"
refuses "hw:Loopback,1,0, which is .* is in use by .* (process $thief)"
kill "$thief"
wait "$thief"
! amixer -c Loopback contents | grep -v "iface=PCM" | grep -q numid || fail "elements are left behind"
shifted 1 0 100000 && shifted 0 1 100000 || fail "a cable is still shifted"
echo "alone: others are named, nothing is left behind"

# killed while somebody plays and somebody records, and started again
serve
aplay -q -D hw:Loopback,0,0 /dev/zero -f dat -d 4 &
player=$!
arecord -q -D hw:Loopback,0,1 -f dat -d 4 /tmp/recorded.wav &
recorder=$!
both_said start
kill -9 "$loop"
wait "$loop"
exec 3>&-
has 'Master Playback Volume' 20,21 || fail "the elements are gone with the process"
serve Loopback
grep -q 'took over from' "$LOG" || fail "not a word of the predecessor"
both_said start
wait "$player" || fail "aplay noticed"
wait "$recorder" || fail "arecord noticed"
both_said stop
through /tmp/dvd.wav 16 2 48000
ended
echo "killed and started again"

# the card leaves: that is the end, and said
serve
echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/unbind &
unbind=$!
! wait "$loop" || fail "the card is gone, and the bridge ends as if nothing were"
exec 3>&-
grep 'the sound card Loopback is gone' "$LOG" || { cat "$LOG"; fail "not a word of the card"; }
wait "$unbind"
echo snd_aloop.0 > /sys/bus/platform/drivers/snd_aloop/bind || fail "the card does not come back"

# no rights; too few subdevices; another card; none
echo 'user:x:1000:1000::/tmp:/bin/sh' >> /etc/passwd
! su user -c 'sound_loop serve' < /dev/null > /tmp/refused 2>&1 || fail "the bridge comes up without rights"
grep 'no permission to open /dev/snd/controlC0: it is for root and the group audio' /tmp/refused ||
    { cat /tmp/refused; fail "not a word of the rights"; }
rmmod snd_aloop || fail "the module is still in use"
insmod /guest/modules/snd_aloop.ko pcm_substreams=1 || fail "the module does not come back"
refuses 'no subdevice 1, which is for ADC'
rmmod snd_aloop
refuses 'there are: none.* modprobe snd-aloop'
