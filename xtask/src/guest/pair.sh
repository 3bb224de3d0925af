# udrvd is killed beside a standby, and upgraded. After rounds.sh.
round standby none replace --how kill --times "$TIMES"
round upgrade none replace --how upgrade --times "$TIMES"
RATE=40
round standby-tcp tcp replace --how kill --times "$TIMES"
round upgrade-tcp tcp replace --how upgrade --times "$TIMES"
kill "$serve"
back_again
