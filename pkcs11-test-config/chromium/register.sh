#!/bin/sh
# Makes the card known to Chromium, Google Chrome and whatever else uses ~/.pki/nssdb. Close the
# browser first. MODULE: the module, if it is not where the package puts it.
#   sh register.sh [MODULE]
set -eu
module=${1:-/usr/lib/$(uname -m)-linux-gnu/pkcs11/jpki-pkcs11.so}
database=$HOME/.pki/nssdb

[ -e "$module" ] || { echo "$module is not there" >&2; exit 1; }
if [ ! -e "$database/cert9.db" ]; then
    mkdir -p "$database"
    certutil -N -d "sql:$database" --empty-password
fi
# Anew, should it point to another file.
modutil -dbdir "sql:$database" -force -delete jpki-pkcs11 > /dev/null 2>&1 || :
modutil -dbdir "sql:$database" -force -add jpki-pkcs11 -libfile "$module"
