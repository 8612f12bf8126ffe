//! The findings of the check-up that are no [`Message`](crate::messages::Message).

use super::catalogue;

catalogue! {
    /// Something that the check-up found: what it is, and the next step (empty: none).
    Finding: [&'static str; 2] {
        ModuleFound "module-found" = [
            "The module is {path}, version {version}.", "",
        ], [
            "モジュールは {path} にあります（バージョン {version}）。", "",
        ];
        ModuleOtherVersion "module-other-version" = [
            "The module {path} has version {version}; this program has version {own}.",
            "Install both from the same package, and start the programs that use the module again.",
        ], [
            "モジュール {path} のバージョンは {version} で、このプログラムのバージョン {own} と違います。",
            "両方を同じパッケージから入れ直し、モジュールを使うプログラムを起動し直してください。",
        ];
        ModuleMissing "module-missing" = [
            "The module (jpki-pkcs11.so) was not found.",
            "Install it (`make install` or the package), or name it with `--module FILE`.",
        ], [
            "モジュール（jpki-pkcs11.so）が見つかりません。",
            "パッケージか `make install` でインストールしてください。別の場所にあるときは `--module FILE` で指定してください。",
        ];
        ModuleUnreadable "module-unreadable" = [
            "The module {path} cannot be read ({reason}).",
            "See whether the file exists and whether this user may read it.",
        ], [
            "モジュール {path} を読めません（{reason}）。",
            "ファイルがあるか、このユーザーに読む権限があるかを確認してください。",
        ];
        ModuleUnfit "module-unfit" = [
            "The file {path} is no PKCS#11 module for this computer.",
            "Install the package for this kind of computer again.",
        ], [
            "ファイル {path} は、このコンピューターで使えるPKCS#11モジュールではありません。",
            "このコンピューターの種類に合ったパッケージを入れ直してください。",
        ];
        ConfigFine "config-fine" = [
            "The configuration has no mistakes.", "",
        ], [
            "設定に誤りはありません。", "",
        ];
        Registered "registered" = [
            "{place} loads the module ({file}).", "",
        ], [
            "{place}はモジュールを読み込みます（{file}）。", "",
        ];
        NotRegistered "not-registered" = [
            "{place} does not load the module ({file}).",
            "If you want to use the card there, run `{command}`.",
        ], [
            "{place}はモジュールを読み込みません（{file}）。",
            "そのプログラムでカードを使いたいときは、`{command}` を実行してください。",
        ];
        RegisteredNowhere "registered-nowhere" = [
            "No program loads the module.",
            "Run `jpki-doctor register` to set up Firefox, Chromium and p11-kit. A program that is given the module's path needs no registration.",
        ], [
            "モジュールを読み込むプログラムがありません。",
            "`jpki-doctor register` を実行すると、Firefox、Chromium、p11-kit で使えるようになります。モジュールのパスを直接指定するプログラムには、この登録は要りません。",
        ];
        RegisteredGone "registered-gone" = [
            "{place} is set up for a module file that does not exist: {library} ({file}).",
            "Run `{command}` to correct it.",
        ], [
            "{place}には、存在しないモジュールのファイル {library} が登録されています（{file}）。",
            "`{command}` を実行して直してください。",
        ];
        RootSkipsUserFile "root-skips-user-file" = [
            "p11-kit does not read the modules of the user root ({file}).",
            "As root use `jpki-doctor register p11-kit --system`.",
        ], [
            "p11-kit は、root ユーザーに登録されたモジュールを読み込みません（{file}）。",
            "root では `jpki-doctor register p11-kit --system` を使ってください。",
        ];
        OpenscBeside "opensc-beside" = [
            "{place} loads OpenSC beside this module ({file}).",
            "OpenSC shows the same card a second time and leaves it unlocked for other programs. If you do not need it there, remove it; otherwise choose the token whose name does not repeat OpenSC's.",
        ], [
            "{place}は、このモジュールのほかに OpenSC も読み込みます（{file}）。",
            "OpenSC は同じカードを二重に表示し、ほかのプログラムからも使える状態のままにします。要らないときは、そこから OpenSC を外してください。",
        ];
        SandboxedBrowser "sandboxed-browser" = [
            "{browser} is installed as a {kind}: it cannot see modules of this computer.",
            "Use the {browser} from the distribution's own packages (deb or rpm) for sites that want the card.",
        ], [
            "{browser} は {kind} としてインストールされているため、このコンピューターのモジュールを読み込めません。",
            "カードを使うサイトには、ディストリビューションのパッケージ（deb や rpm）の {browser} を使ってください。",
        ];
        FlatpakBrowser "flatpak-browser" = [
            "{browser} is installed as a flatpak: it cannot see modules of this computer.",
            "Use the {browser} from the distribution's own packages (deb or rpm) for sites that want the card, or let `p11-kit server` pass the card on: the folder pkcs11-test-config/flatpak of the sources says how.",
        ], [
            "{browser} は flatpak としてインストールされているため、このコンピューターのモジュールを読み込めません。",
            "カードを使うサイトには、ディストリビューションのパッケージ（deb や rpm）の {browser} を使ってください。`p11-kit server` で中継することもできます（ソースの pkcs11-test-config/flatpak を見てください）。",
        ];
        PcscdFine "pcscd-fine" = [
            "The smart card service (pcscd {version}) answers.", "",
        ], [
            "スマートカードのサービス（pcscd {version}）は動いています。", "",
        ];
        PcscFailed "pcsc-failed" = [
            "The smart card service answered with an error ({reason}).",
            "Start it again with `sudo systemctl restart pcscd.socket pcscd.service`, and unplug the reader and plug it in.",
        ], [
            "スマートカードのサービスがエラーを返しました（{reason}）。",
            "`sudo systemctl restart pcscd.socket pcscd.service` を実行し、ICカードリーダーを差し直してください。",
        ];
        ReaderIgnored "reader-ignored" = [
            "The reader \"{reader}\" is not used: the configuration says so (`readers`).",
            "If it is the reader for your card, change `readers` in the configuration.",
        ], [
            "ICカードリーダー「{reader}」は、設定（`readers`）により使われません。",
            "このリーダーを使いたいときは、設定の `readers` を変えてください。",
        ];
        CardFound "card-found" = [
            "In the reader \"{reader}\" there is: {kind}.", "",
        ], [
            "ICカードリーダー「{reader}」に、{kind}があります。", "",
        ];
        CardFaulty "card-faulty" = [
            "The card in the reader \"{reader}\" gave an answer that cannot be explained ({reason}).",
            "Take it off, lay it down again and repeat the check. If it happens each time, please report it with the output of `jpki-doctor --json -v`.",
        ], [
            "ICカードリーダー「{reader}」のカードの応答を解釈できません（{reason}）。",
            "カードを置き直して、もう一度確認してください。毎回起こるときは、`jpki-doctor --json -v` の出力を添えて報告してください。",
        ];
        TriesLeft "tries-left" = [
            "The {pin} has {tries} left of {all}.", "",
        ], [
            "{pin}の残りの試行回数は{tries}です（最大{all}回）。", "",
        ];
        TriesFewer "tries-fewer" = [
            "The {pin} has {tries} left of {all}: it was entered wrong before.",
            "Check it with `{command}`; when it is right, all tries come back.",
        ], [
            "{pin}の残りの試行回数は{tries}です（最大{all}回）。以前に間違えて入力されています。",
            "`{command}` で照合してください。正しければ試行回数は元に戻ります。",
        ];
        LastTry "last-try" = [
            "The {pin} has one try left: one more mistake locks it.",
            "Only if you are certain, check it with `{command}`; when it is right, all tries come back. If you do not know it, have it reset at your municipal office (市区町村の窓口).",
        ], [
            "{pin}の残りの試行回数は、あと1回です。次に間違えるとロックされます。",
            "間違いないと言えるときだけ、`{command}` で照合してください。正しければ試行回数は元に戻ります。分からないときは、市区町村の窓口で再設定してください。",
        ];
        TriesUnknown "tries-unknown" = [
            "The card does not tell how many tries the {pin} has left.",
            "Lay the card down again and repeat the check.",
        ], [
            "{pin}の残りの試行回数を、カードから読み取れませんでした。",
            "カードを置き直して、もう一度確認してください。",
        ];
        CertificateFine "certificate-fine" = [
            "The {certificate} is on the card and is valid until {date} (for another {days}).", "",
        ], [
            "{certificate}はカードにあり、有効期限は{date}（あと{days}）です。", "",
        ];
        CertificateEndsWithinQuarter "certificate-ends-within-quarter" = [
            "The {certificate} is valid until {date}, for another {days}.",
            "It can be renewed from three months before its end, at the municipal office (市区町村の窓口) where you are registered.",
        ], [
            "{certificate}の有効期限（{date}）まで、あと{days}です。",
            "有効期限の3か月前から、住民票のある市区町村の窓口で更新できます。",
        ];
        CertificateLocked "certificate-locked" = [
            "The {certificate} is on the card. Its validity can be seen only with its PIN.",
            "Run `{command}` to see it.",
        ], [
            "{certificate}はカードにあります。有効期限は、暗証番号を入力しないと読み取れません。",
            "確かめたいときは、`{command}` を実行してください。",
        ];
        CertificateAbsent "certificate-absent" = [
            "This card has no {certificate}.",
            "Ask at the municipal office (市区町村の窓口) where you are registered.",
        ], [
            "このカードには{certificate}がありません。",
            "住民票のある市区町村の窓口に相談してください。",
        ];
        RevocationNotAsked "revocation-not-asked" = [
            "Whether a certificate has been revoked was not asked: this program sends nothing over the network.", "",
        ], [
            "電子証明書が失効していないかどうかは、問い合わせていません。このプログラムはネットワークに何も送りません。", "",
        ];
        SignatureMade "signature-made" = [
            "The card signed with the {scheme} scheme in {milliseconds} ms, and the signature fits the {certificate}.", "",
        ], [
            "{scheme} 方式で署名できました（{milliseconds}ミリ秒）。署名は{certificate}と合っています。", "",
        ];
        TlsAccepts "tls-accepts" = [
            "{host} asks for a certificate with {version} and takes {scheme} signatures: this card can make them.", "",
        ], [
            "{host} は {version} で電子証明書を求め、{scheme} の署名を受け付けます。このカードで応じられます。", "",
        ];
        TlsRefuses "tls-refuses" = [
            "{host} asks for a certificate with {version}, but takes only signatures that this card cannot make ({schemes}).",
            "Only whoever runs the server can change that: it must accept {wanted}.",
        ], [
            "{host} は {version} で電子証明書を求めますが、受け付ける署名の方式（{schemes}）には、このカードは対応していません。",
            "これを直せるのはサーバーの運営者だけです。サーバーが {wanted} を受け付ける必要があります。",
        ];
        TlsAsksNothing "tls-asks-nothing" = [
            "{host} does not ask for a certificate when it is connected to with {version}.",
            "It may ask on certain pages only, which this program cannot see. Sites such as マイナポータル and e-Tax use the card through their own browser extension, not through TLS.",
        ], [
            "{host} は、{version} で接続したときに電子証明書を求めません。",
            "特定のページでだけ求めるサイトもありますが、それはこのプログラムでは分かりません。マイナポータルや e-Tax は、TLS ではなく専用のブラウザー拡張機能でカードを使います。",
        ];
        TlsVersionRefused "tls-version-refused" = [
            "{host} does not speak {version} with us ({reason}).", "",
        ], [
            "{host} とは {version} で接続できません（{reason}）。", "",
        ];
        TlsAuthorities "tls-authorities" = [
            "{host} asks for certificates of these authorities: {names}.", "",
        ], [
            "{host} が求めている認証局は次のとおりです。{names}。", "",
        ];
        TlsAnyAuthority "tls-any-authority" = [
            "{host} names no authority: browsers offer every certificate they have.", "",
        ], [
            "{host} は認証局を指定していません。ブラウザーは、持っている電子証明書をすべて選択肢に出します。", "",
        ];
        TlsAuthorityMatches "tls-authority-matches" = [
            "The authority of this card's authentication certificate is among them.", "",
        ], [
            "このカードの利用者証明用電子証明書の認証局は、その中に含まれています。", "",
        ];
        TlsAuthorityMissing "tls-authority-missing" = [
            "The authority of this card's authentication certificate is not among them.",
            "The site is not made for the My Number card; ask whoever runs it.",
        ], [
            "このカードの利用者証明用電子証明書の認証局は、その中に含まれていません。",
            "マイナンバーカード向けのサイトではないようです。サイトの運営者に確認してください。",
        ];
        TlsUnreachable "tls-unreachable" = [
            "{host} cannot be reached ({reason}).",
            "See whether the name and the port are right and whether this computer is on the network.",
        ], [
            "{host} に接続できません（{reason}）。",
            "ホスト名とポート番号が正しいか、ネットワークにつながっているかを確認してください。",
        ];
        PhonePortOpen "phone-port-open" = [
            "vpcd's port {port} is open to the network: the first program that connects to it is the card and receives your PIN.",
            "Close it to other computers with `sudo systemctl edit pcscd.service`, and there under [Service] the two lines IPAddressDeny=any and IPAddressAllow=localhost; then `sudo systemctl restart pcscd.service`. Or use `jpki-doctor phone -- PROGRAM`, which opens no port, and remove vpcd's lines from /etc/reader.conf.d.",
        ], [
            "vpcdのポート {port} がネットワークに開いています。最初に接続した相手がカードとして扱われ、暗証番号が送られます。",
            "`sudo systemctl edit pcscd.service` で [Service] の下に IPAddressDeny=any と IPAddressAllow=localhost の2行を書いて他のコンピューターに対して閉じ、`sudo systemctl restart pcscd.service` を実行してください。または、ポートを開かない `jpki-doctor phone -- PROGRAM` を使い、/etc/reader.conf.d からvpcdの行を消してください。",
        ];
        PhonePortLocal "phone-port-local" = [
            "vpcd's port is open to this computer alone.",
            "",
        ], [
            "vpcdのポートは、このコンピューターにだけ開いています。",
            "",
        ];
        PhonePortClosed "phone-port-closed" = [
            "pcscd does not have vpcd's reader.",
            "Restart it with `sudo systemctl restart pcscd.service`, or use `jpki-doctor phone -- PROGRAM`, which starts a pcscd of its own.",
        ], [
            "pcscdにvpcdのリーダーがありません。",
            "`sudo systemctl restart pcscd.service` で起動し直すか、専用のpcscdを起動する `jpki-doctor phone -- PROGRAM` を使ってください。",
        ];
        PhoneAutoExit "phone-auto-exit" = [
            "pcscd ends after a minute without a program; this command keeps it running.",
            "",
        ], [
            "pcscdは使うプログラムがないと1分で終了しますが、このコマンドが動いている間は終了しません。",
            "",
        ];
        PhoneDriverFound "phone-driver-found" = [
            "The driver vpcd is installed.",
            "",
        ], [
            "ドライバーvpcdがインストールされています。",
            "",
        ];
        PhoneDriverMissing "phone-driver-missing" = [
            "The driver vpcd is not installed.",
            "Install it: `sudo apt install vsmartcard-vpcd`.",
        ], [
            "ドライバーvpcdがインストールされていません。",
            "`sudo apt install vsmartcard-vpcd` でインストールしてください。",
        ];
        PhoneProgramMissing "phone-program-missing" = [
            "The program {program} is missing.",
            "Install it: `sudo apt install pcscd util-linux iproute2`.",
        ], [
            "プログラム {program} がありません。",
            "`sudo apt install pcscd util-linux iproute2` でインストールしてください。",
        ];
        PhoneNamespacesRefused "phone-namespaces-refused" = [
            "This system does not let ordinary users make namespaces.",
            "Use `jpki-doctor phone` with the system's pcscd instead, or allow it: `sudo sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`.",
        ], [
            "このシステムでは、一般のユーザーが名前空間を作れません。",
            "システムのpcscdを使う `jpki-doctor phone` を実行するか、`sudo sysctl kernel.unprivileged_userns_clone=1`（Ubuntuでは `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`）で許可してください。",
        ];
        PhonePrivateFine "phone-private-fine" = [
            "The program gets a pcscd of its own, without a port.",
            "",
        ], [
            "プログラム専用の、ポートを開かないpcscdを使います。",
            "",
        ];
        PhoneNoAdb "phone-no-adb" = [
            "The program adb is missing; it speaks to the phone over the cable.",
            "Install it: `sudo apt install adb`.",
        ], [
            "ケーブル越しにスマートフォンと通信するプログラムadbがありません。",
            "`sudo apt install adb` でインストールしてください。",
        ];
        PhoneNotConnected "phone-not-connected" = [
            "No phone is connected.",
            "Connect it with a USB cable that carries data, and switch USB debugging on: Settings, About phone, tap the build number seven times; then Settings, Developer options, USB debugging.",
        ], [
            "スマートフォンが接続されていません。",
            "データ通信のできるUSBケーブルで接続し、USBデバッグを有効にしてください（設定、デバイス情報でビルド番号を7回タップしてから、設定、開発者向けオプション、USBデバッグ）。",
        ];
        PhoneUnauthorised "phone-unauthorised" = [
            "The phone has not allowed this computer yet.",
            "Unlock the phone and answer its question \"Allow USB debugging?\"; without a question, unplug the cable and plug it in again.",
        ], [
            "スマートフォンがこのコンピューターをまだ許可していません。",
            "ロックを解除し、「USBデバッグを許可しますか」に答えてください。表示されないときは、ケーブルを抜き差ししてください。",
        ];
        PhoneNotPermitted "phone-not-permitted" = [
            "This user may not open the phone's device file.",
            "Install the rules for it: `sudo apt install android-sdk-platform-tools-common`; then unplug the cable and plug it in again.",
        ], [
            "このユーザーにはスマートフォンのデバイスファイルを開く権限がありません。",
            "`sudo apt install android-sdk-platform-tools-common` で規則をインストールし、ケーブルを抜き差ししてください。",
        ];
        PhoneOffline "phone-offline" = [
            "adb lists the phone, and the phone does not answer.",
            "Unlock it, unplug the cable and plug it in again.",
        ], [
            "adbの一覧にスマートフォンはありますが、応答しません。",
            "ロックを解除し、ケーブルを抜き差ししてください。",
        ];
        PhoneSeveral "phone-several" = [
            "Several phones are connected.",
            "Unplug the others, or name one: `ANDROID_SERIAL=SERIAL jpki-doctor phone`; `adb devices` lists them.",
        ], [
            "複数のスマートフォンが接続されています。",
            "使わないものを外すか、`ANDROID_SERIAL=SERIAL jpki-doctor phone` で1台を指定してください。`adb devices` で一覧できます。",
        ];
        PhoneConnected "phone-connected" = [
            "A phone is connected and allows this computer.",
            "",
        ], [
            "スマートフォンが接続され、このコンピューターを許可しています。",
            "",
        ];
        PhoneAppMissing "phone-app-missing" = [
            "The reader app is not on the phone.",
            "Install \"Remote Smart Card Reader\" ({app}, of the project vsmartcard: https://frankmorgner.github.io/vsmartcard).",
        ], [
            "リーダーのアプリがスマートフォンにありません。",
            "vsmartcardプロジェクトの「Remote Smart Card Reader」（{app}、https://frankmorgner.github.io/vsmartcard ）をインストールしてください。",
        ];
        PhoneAppFound "phone-app-found" = [
            "The reader app is on the phone.",
            "",
        ], [
            "リーダーのアプリがスマートフォンにあります。",
            "",
        ];
        PhoneNfcOn "phone-nfc-on" = [
            "NFC is on.",
            "",
        ], [
            "NFCは有効です。",
            "",
        ];
        PhoneNfcOff "phone-nfc-off" = [
            "NFC is off on the phone.",
            "Switch it on in the phone's settings; \"reader/writer\" must be allowed too where the phone has that switch.",
        ], [
            "スマートフォンのNFCが無効です。",
            "スマートフォンの設定で有効にしてください。「リーダー/ライター」の設定がある機種では、それも有効にしてください。",
        ];
        PhoneNfcUnknown "phone-nfc-unknown" = [
            "The phone does not say whether NFC is on.",
            "",
        ], [
            "NFCが有効かどうかを、スマートフォンから確認できません。",
            "",
        ];
        PhoneTunnel "phone-tunnel" = [
            "{address} is the address of a tunnel of this computer.",
            "",
        ], [
            "{address} は、このコンピューターのトンネルのアドレスです。",
            "",
        ];
        PhoneNoTunnel "phone-no-tunnel" = [
            "{address} is not the address of a tunnel of this computer; over any other network the PIN could be read on its way.",
            "Set up WireGuard between the phone and this computer and name this computer's address in it, or use `--wireless ssh`.",
        ], [
            "{address} は、このコンピューターのトンネルのアドレスではありません。ほかのネットワークでは、途中で暗証番号を読み取られるおそれがあります。",
            "スマートフォンとこのコンピューターの間にWireGuardを設定して、その中でのこのコンピューターのアドレスを指定するか、`--wireless ssh` を使ってください。",
        ];
        ReaderIsPhone "reader-is-phone" = [
            "The reader {reader} is not a device but vpcd: a phone, or another program that connects to it. What you enter passes through the phone's app, which shows and logs it. A phone cannot switch a card off; what closes the card is that each transaction leaves its application, which is proved on each card.",
            "",
        ], [
            "リーダー {reader} は機器ではなくvpcdです。接続したスマートフォンなどがリーダーになります。暗証番号はスマートフォンのアプリを通り、アプリはそれを表示し記録します。スマートフォンはカードの電源を切れませんが、処理のたびにカードのアプリケーションから抜けることで認証状態を閉じ、それをカードごとに確かめています。",
            "",
        ];
        ReaderSilent "reader-silent" = [
            "The reader {reader} does not answer; the other readers were checked without it.",
            "Unplug it and plug it in again; if it is a phone, lay the card on again or start `jpki-doctor phone` again.",
        ], [
            "リーダー {reader} が応答しません。ほかのリーダーの確認は続けました。",
            "リーダーを抜き差ししてください。スマートフォンの場合は、カードを置き直すか、`jpki-doctor phone` を起動し直してください。",
        ];
    }
}
