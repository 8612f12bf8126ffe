//! The messages in English: what happened, what it means, what to do next.

use super::{Message, Token};

pub(super) fn templates(message: &Message) -> [&'static str; 3] {
    match message {
        Message::PinShape { .. } => [
            "What was entered cannot be the {pin} and was not sent to the card.",
            "No try was used up.",
            "Make sure that it is not the {other}, and enter {shape}.",
        ],
        Message::NewPinShape { .. } => [
            "The new {pin} does not have the right shape; nothing was changed.",
            "The old one is still valid, and no try was used up.",
            "Choose {shape}.",
        ],
        Message::WrongPin { .. } => [
            "The {pin} is wrong.",
            "It has {tries} left; after that it is locked and has to be reset.",
            "Check it carefully and enter it again; if you are not sure, stop here and look it up.",
        ],
        Message::LastTryKept { .. } => [
            "The {pin} has one try left, so it was not sent to the card.",
            "One more mistake would lock it; the last try is kept from being spent by accident. No try was used up.",
            "If you are certain, check it with `jpki-doctor check-pin`; when it is right, all tries come back. With the environment variable JPKI_PKCS11_LAST_TRY=allow this program may use it as well. If you do not know it, have it reset at your municipal office.",
        ],
        Message::RefusedBefore { .. } => [
            "This {pin} is the same that the card has refused already, so it was not sent again.",
            "It could only have cost another try. No try was used up.",
            "Enter a different one. If another program has changed it since, start this program again.",
        ],
        Message::PinLocked {
            token: Token::Authentication,
        } => [
            "The {pin} is locked.",
            "The card does not take even the right one, and its {certificate} cannot be used until the PIN is reset.",
            "Go to the municipal office (市区町村の窓口) where you are registered and ask for a new PIN.",
        ],
        Message::PinLocked {
            token: Token::Signature,
        } => [
            "The {pin} is locked.",
            "The card does not take even the right one, and its {certificate} cannot be used until the password is reset.",
            "Go to the municipal office (市区町村の窓口) where you are registered and ask for a new password. In some cases a kiosk in a convenience store or the smartphone app can do it too; see https://www.jpki.go.jp/.",
        ],
        Message::PinsNotSet => [
            "Both the PIN and the password of this card are locked.",
            "For a card that was issued without them (顔認証マイナンバーカード) this is normal: its certificates cannot be used to log in or to sign.",
            "If you want to use the certificates, ask at the municipal office (市区町村の窓口) where you are registered.",
        ],
        Message::CannotUnblock => [
            "Setting a first PIN, unlocking a PIN and logging in as security officer are not possible.",
            "The holder of a My Number card has no right to do any of these.",
            "Have a locked PIN reset at the municipal office (市区町村の窓口) where you are registered. A PIN that you know can be changed with this module.",
        ],
        Message::PinChangeUnclear { .. } => [
            "The exchange with the card broke off while the {pin} was being changed.",
            "Nobody knows whether the new one is valid. To be safe the change is not repeated.",
            "Put the card back and log in with the new one, once. If it is wrong, the old one is still valid.",
        ],
        Message::LoginLost { .. } => [
            "The login with the {pin} has ended.",
            "The card was reset, and the login could not be safely restored. The PIN is not sent again and again.",
            "Log in again.",
        ],
        Message::PinChangedElsewhere { .. } => [
            "The login with the {pin} has ended: the PIN was changed, or a wrong one was entered, in another program.",
            "It has {tries} left. The PIN of this login is not sent again.",
            "Log in again with the PIN that is valid now.",
        ],
        Message::NewPinRefused { .. } => [
            "The card refused the new {pin}.",
            "The old one is still valid, and no try was used up.",
            "Choose {shape}.",
        ],
        Message::CardStaysOpen => [
            "This card stays open after a PIN was entered.",
            "Other programs on this computer can use its keys until it is taken away. It happens with a phone that is used as the reader, which cannot switch the card off.",
            "Take the card off the phone or out of the reader when you have finished.",
        ],
        Message::PcscdNotInstalled => [
            "The smart card service (pcscd) is not installed.",
            "Without it no card reader can be used.",
            "Install it with `sudo apt install pcscd` (on Fedora and its like `sudo dnf install pcsc-lite`).",
        ],
        Message::PcscdNotRunning { .. } => [
            "The smart card service (pcscd) cannot be reached ({reason}).",
            "It is not running, so no card reader can be seen. Once it runs, everything works by itself.",
            "Run `sudo systemctl enable --now pcscd.socket`. If it is not installed, run `sudo apt install pcscd` first.",
        ],
        Message::NoDescriptor => [
            "This program has as many files open as it may, so the smart card service cannot be reached.",
            "Neither the service nor the reader is at fault.",
            "Close files or connections in the program, or raise the limit (`ulimit -n`) and start it again.",
        ],
        Message::NotAuthorised => [
            "The use of the card reader is not allowed (polkit).",
            "The reader is not broken; this user lacks the permission. It happens over SSH and for users without a session on the screen.",
            "Log in on the screen of this computer, or ask the administrator to allow the polkit actions `org.debian.pcsc-lite.access_pcsc` and `org.debian.pcsc-lite.access_card`.",
        ],
        Message::NoReader => [
            "There is no card reader.",
            "It is not connected, or its driver is missing.",
            "Plug the reader in again. If it is still not found, see whether its driver is installed (for most readers `libccid`).",
        ],
        Message::ReaderGone { .. } => [
            "The card reader \"{reader}\" was unplugged.",
            "What was going on was stopped, and a login has ended.",
            "Plug the reader in, put the card on it and try again.",
        ],
        Message::NoCard { .. } => [
            "There is no card in the reader \"{reader}\".",
            "Either there is none, or the reader does not notice it.",
            "Take the My Number card out of its case and lay it on the middle of the reader; where it has to be inserted, push it in with the chip first.",
        ],
        Message::NotMyNumberCard { .. } => [
            "The card in the reader \"{reader}\" does not seem to be a My Number card.",
            "It does not have the public certificate service (JPKI), so it is left alone.",
            "Put a My Number card in its place. If it is one, see that no other card lies with it, and lay it down again.",
        ],
        Message::CardMoved { .. } => [
            "The exchange between the reader \"{reader}\" and the card broke off.",
            "The card seems to have moved or to lie too far from the reader. That does not mean that it is broken.",
            "Take the card out of its case, lay it on the middle of the reader, and try again without moving the card until it is done.",
        ],
        Message::CardRemoved { .. } => [
            "The card was taken from the reader \"{reader}\".",
            "To be safe, a login ends with that; it does not come back when the same card does.",
            "To go on, put the card back and log in again.",
        ],
        Message::CardBusy { .. } => [
            "Another program is using the card in the reader \"{reader}\".",
            "It keeps the card to itself, so nothing can be done now.",
            "Wait until that program is done, or end it, and try again. It is often GnuPG: `gpgconf --kill scdaemon` ends its part that uses cards.",
        ],
        Message::NoDialog { .. } => [
            "The dialog for the PIN cannot be shown ({reason}).",
            "There was no login and no signature. No try was used up.",
            "Install a pinentry, for example with `sudo apt install pinentry-gnome3`. Without a screen, set `pin_entry` to \"program\".",
        ],
        Message::CertificateExpired { .. } => [
            "The {certificate} has expired ({date}).",
            "Nobody accepts a login or a signature with an expired certificate.",
            "Have it renewed at the municipal office (市区町村の窓口) where you are registered. See as well that the date of this computer is right.",
        ],
        Message::CertificateExpiresSoon { .. } => [
            "The {certificate} expires in {days} ({date}).",
            "After that it cannot be used any more.",
            "Have it renewed in good time at the municipal office (市区町村の窓口) where you are registered.",
        ],
        Message::CertificateNotYetValid { .. } => [
            "The {certificate} is not valid yet (only from {date}).",
            "Mostly the reason is that the clock of this computer is wrong.",
            "Set date and time. If they are right, ask at the municipal office (市区町村の窓口).",
        ],
        Message::SignatureCertificateMayBeVoid => [
            "The card alone cannot tell whether its signature certificate has been revoked.",
            "When the holder's address or name changes, by moving house or marrying, the signature certificate becomes void before its date. Signing still works then, but nobody accepts the signature. The authentication certificate stays valid.",
            "If your address or name has changed and you have not been given a new signature certificate since, apply for one at the municipal office (市区町村の窓口) where you are registered.",
        ],
        Message::NoSignatureCertificate => [
            "This card has no signature certificate.",
            "As a rule children under 15 are not given one, and a holder may have declined it. It is not the authentication certificate, which serves to log in.",
            "If you need to sign, apply for a signature certificate at the municipal office (市区町村の窓口) where you are registered.",
        ],
        Message::PssWithdrawn => [
            "This card does not make RSA-PSS signatures.",
            "They are not offered until the card is taken away. A site that insists on TLS 1.3 cannot be reached; sites with TLS 1.2 and ordinary signatures work.",
            "If a site cannot be reached, write `pss = \"off\"` into the configuration and start the program again; then it uses TLS 1.2 from the start.",
        ],
        Message::SignatureWrong => [
            "The signature that the card gave does not fit its certificate.",
            "Most likely the exchange was disturbed. The wrong signature was thrown away.",
            "Try again without moving the card. If it happens often, try another reader.",
        ],
        Message::ConfigComplaint { .. } => [
            "There is a mistake in the configuration: {complaint}.",
            "This part is not used, and the module works on.",
            "Compare it with the example file and correct it; the change counts when the program is started again.",
        ],
        Message::LogFileNotWritable { .. } => [
            "The log file {path} cannot be written ({reason}).",
            "The log goes to standard error. The card is not affected.",
            "See whether the folder exists and may be written to, and correct `log_file` in the configuration.",
        ],
    }
}
