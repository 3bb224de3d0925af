
# Linux's own driver on our model of a sound card. What was played and recorded is judged outside, where the files are.
CARD=/proc/asound/card0
SOUND=/guest/sound

card_is_there() {
    [ -c /dev/snd/controlC0 ] && [ -c /dev/snd/pcmC0D0p ] && [ -c /dev/snd/pcmC0D1p ] && [ -c /dev/snd/pcmC0D0c ]
}

# mixer CONTROL WHAT...
mixer() {
    echo "$*" >> /results/mixer.log
    amixer -q -c 0 sset "$@" >> /results/mixer.log 2>&1
}

# 0 dB from the DACs to the output, and from the line input to the ADC
loud() {
    mixer Master 31 unmute && mixer PCM 23 unmute && mixer Line cap && mixer Capture 0 cap
}

# xruns LOG: how many a program has told
xruns() {
    grep -c -i -e underrun -e overrun "$1"
}

# in_time COMMAND...: what takes a minute does not end, and what comes after it would not either
in_time() {
    local status
    timeout -s KILL 60 "$@"
    status=$?
    # ended by SIGKILL: aplay makes something else of other signals
    [ $status -ne 137 ] || echo "$1 did not end"
    return $status
}

# told CHECK STATUS WHAT: what a program's log says; the script ends with the first that did not end
told() {
    local log=/results/$1.log
    if grep -q "did not end" "$log"; then
        result "$1" 1 "$(tail -n 1 "$log")"
        exit 0
    fi
    result "$1" "$2" "$(xruns "$log") $3"
}

# played CHECK DEVICE FILE: plays a file
played() {
    in_time aplay -D "$2" --buffer-time=400000 "$SOUND/$3.wav" > "/results/$1.log" 2>&1
    told "$1" $? underruns
}

# recorded CHECK FORMAT RATE CHANNELS SAMPLES: records into a file of that name
recorded() {
    in_time arecord -D hw:0,0 --buffer-time=400000 -f "$2" -r "$3" -c "$4" --samples="$5" "/results/$1.wav" \
        > "/results/$1.log" 2>&1
    told "$1" $? overruns
}

# mark NUMBER: something in the output that tells where it is
mark() {
    played "mark-$1" hw:0,0 "mark-$1"
}

within 10 card_is_there
result bound $? "$(cat /proc/asound/cards /proc/asound/pcm | tr -s ' \n' ' ')"

codec=$(head -n 1 "$CARD/codec97#0/ac97#0-0")
case $codec in *"$CODEC"*) true ;; *) false ;; esac
result codec $? "$codec"

amixer -c 0 > /results/mixer 2>&1
loud
result mixer $? "$(grep -c "^Simple" /results/mixer) controls"

mark 0
played dac2 hw:0,0 dac2
played dac1 hw:0,1 dac1

# from before the other begins until after its end
aplay -D hw:0,1 "$SOUND/steady.wav" > /results/steady.log 2>&1 &
within 20 grep -q RUNNING "$CARD/pcm1p/sub0/status"
played both hw:0,0 both
wait $! || result both 1 "$(cat /results/steady.log)"

for tone in $TONES; do
    mark "$tone"
    played "tone-$tone" hw:0,0 "tone-$tone"
done

mark volume
mixer Master 27 && mixer PCM 21
played volume hw:0,0 volume
loud
mark silence
mixer Master mute
played mute hw:0,0 mute
loud
mark unmute

recorded record S16_LE 48000 2 48000
recorded record-rate S16_LE 22050 2 22050
recorded record-mono U8 8000 1 8000

recorded duplex-record S16_LE 48000 2 48000 &
played duplex hw:0,0 duplex
wait

grep snd_ens1371 /proc/interrupts > /results/interrupts.log
count=$(sed 's/^ *[0-9]*: *//' /results/interrupts.log | tr -s ' ' '\n' | sed -n '/^0*[1-9][0-9]*$/p' | head -n 1)
[ -n "$count" ]
result interrupts $? "${count:-none}"

rmmod "$MODULE" && [ ! -e /proc/asound/card0 ] && insmod "/guest/modules/$MODULE.ko" && within 10 card_is_there && loud
if [ $? -eq 0 ]; then
    played reload hw:0,0 reload
else
    result reload 1 "$(cat /proc/asound/cards)"
fi

dmesg | grep -i -e ens137 -e ac97 -e "AC'97" -e codec -e "ready timeout" > /results/said.log
[ ! -s /results/said.log ]
result silent $? "$(head -n 5 /results/said.log | tr '\n' ' ')"
exit 0
