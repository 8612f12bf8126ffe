//! What is told in other words on Windows, in both languages: there is no pcscd, no package of a distribution and no
//! `jpki-doctor`.

use super::{Language, Message};

/// The text for Windows; `None`: the same as everywhere.
pub(super) fn templates(message: &Message, language: Language) -> Option<[&'static str; 3]> {
    use Language::{English, Japanese};
    Some(match (message, language) {
        (Message::LastTryKept { .. }, English) => [
            "The {pin} has one try left, so it was not sent to the card.",
            "One more mistake would lock it; the last try is kept from being spent by accident. No try was used up.",
            "If you are certain, check it with the official software; when it is right, all tries come back. With the environment variable JPKI_PKCS11_LAST_TRY=allow this program may use it as well. If you do not know it, have it reset at your municipal office.",
        ],
        (Message::LastTryKept { .. }, Japanese) => [
            "{pin}の残りの試行回数があと1回のため、カードには送りませんでした。",
            "次に間違えるとロックされるので、最後の1回を誤って使わないように止めています。残りの試行回数は減っていません。",
            "間違いないと言えるときは、公式のソフトウェアで照合してください。正しければ試行回数は元に戻ります。環境変数 JPKI_PKCS11_LAST_TRY=allow を設定すれば、このプログラムでもそのまま使えます。分からないときは、市区町村の窓口で再設定してください。",
        ],
        (Message::PcscdNotRunning { .. }, English) => [
            "The smart card service of Windows cannot be reached ({reason}).",
            "It is not running, so no card reader can be seen. Once it runs, everything works by itself.",
            "Plug the card reader in again: Windows starts the service for it. If that does not help, start the service \"Smart Card\" (`services.msc`).",
        ],
        (Message::PcscdNotRunning { .. }, Japanese) => [
            "Windowsのスマートカードのサービスに接続できません（{reason}）。",
            "サービスが動いていないため、ICカードリーダーが見えません。動き出せば、自動的に使えるようになります。",
            "ICカードリーダーを差し直してください。サービスはWindowsが起動します。それでも動かないときは、サービスの一覧（`services.msc`）で「Smart Card」を開始してください。",
        ],
        (Message::NotAuthorised, English) => [
            "Windows does not allow this program to use the card reader.",
            "The reader is not broken; this user or this program lacks the permission.",
            "Run the program as the user who is logged in at the screen, or ask the administrator of this computer.",
        ],
        (Message::NotAuthorised, Japanese) => [
            "このプログラムによるICカードリーダーの使用を、Windowsが許可していません。",
            "リーダーの故障ではなく、ユーザーまたはプログラムの権限の問題です。",
            "画面にログインしているユーザーでプログラムを起動するか、このコンピューターの管理者に相談してください。",
        ],
        (Message::NoReader, English) => [
            "There is no card reader.",
            "It is not connected, or its driver is missing.",
            "Plug the reader in again. If it is still not found, see in the Device Manager whether its driver is installed.",
        ],
        (Message::NoReader, Japanese) => [
            "ICカードリーダーが見つかりません。",
            "リーダーがつながっていないか、リーダーのドライバーがありません。",
            "リーダーをUSBポートに差し直してください。それでも見つからないときは、デバイスマネージャーで、ドライバーがインストールされているか確認してください。",
        ],
        (Message::NoDialog { .. }, English) => [
            "The dialog for the PIN cannot be shown ({reason}).",
            "There was no login and no signature. No try was used up.",
            "Install Gpg4win and write the path of its pinentry into the setting `pinentry_program`, or set `pin_entry` to \"program\".",
        ],
        (Message::NoDialog { .. }, Japanese) => [
            "暗証番号を入力するダイアログを表示できません（{reason}）。",
            "ログインも署名もしていません。残りの試行回数は減っていません。",
            "Gpg4winをインストールして、その pinentry のパスを設定の `pinentry_program` に書くか、設定の `pin_entry` を \"program\" にしてください。",
        ],
        (Message::LogFileNotWritable { .. }, English) => [
            "The log file {path} cannot be written ({reason}).",
            "The log goes to standard error, and in a program with windows to the debugger (DebugView shows it). The card is not affected.",
            "See whether the folder exists and may be written to, and correct `log_file` in the configuration.",
        ],
        (Message::LogFileNotWritable { .. }, Japanese) => [
            "ログファイル {path} に書き込めません（{reason}）。",
            "ログは標準エラー出力に、画面のあるプログラムではデバッガー（DebugViewなど）に書きます。カードの操作には影響しません。",
            "フォルダーがあるか、書き込む権限があるかを確認して、設定の `log_file` を直してください。",
        ],
        _ => return None,
    })
}
