# What a script of the oracle begins with: each check is a file of its own in /results that begins with pass, FAIL or none.
. /guest/lib.sh
. /guest/oracle
uname -r > /results/release

# result CHECK STATUS TEXT...
result() {
    local check=$1 status=$2
    shift 2
    if [ "$status" -eq 0 ]; then echo "pass $*"; else echo "FAIL $*"; fi > "/results/$check"
}

# none CHECK TEXT...: there is nothing to check
none() {
    local check=$1
    shift
    echo "none $*" > "/results/$check"
}
