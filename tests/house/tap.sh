# SPDX-FileCopyrightText: the fcmae authors
# SPDX-License-Identifier: MIT
#
# Test Anything Protocol for shell scripts; sourced.
tap_number=0

# result STATUS NAME: one case; standard input is shown (meson prints stderr) if it failed
result()
{
    tap_number=$((tap_number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tap_number - $2"
    else
        echo "not ok $tap_number - $2"
        sed 's/^/    /' >&2
    fi
}

# succeeds NAME COMMAND...: passes if the command does
succeeds()
{
    succeeds_name=$1
    shift
    tap_log=$("$@" 2>&1)
    result $? "$succeeds_name" <<TEXT
$tap_log
TEXT
}

# lists_nothing NAME COMMAND...: passes if the command, which lists breaches, prints nothing
lists_nothing()
{
    lists_name=$1
    shift
    tap_log=$("$@" 2>&1)
    [ -z "$tap_log" ]
    result $? "$lists_name" <<TEXT
$tap_log
TEXT
}

done_testing()
{
    echo "1..$tap_number"
}
