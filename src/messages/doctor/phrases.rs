//! Headings, prompts and answers of `jpki-doctor`'s commands.

use super::catalogue;

catalogue! {
    /// A sentence or a word that stands alone.
    Phrase: &'static str {
        MarkOk "mark-ok" = " ok ", " 良好 ";
        MarkNote "mark-note" = "note", " 参考 ";
        MarkTodo "mark-todo" = "TODO", "要対応";
        MarkFail "mark-fail" = "FAIL", " 異常 ";
        SectionModule "section-module" = "Module", "モジュール";
        SectionPrograms "section-programs" = "Programs", "プログラム";
        SectionService "section-service" = "Smart card service", "スマートカードのサービス";
        SectionCards "section-cards" = "Readers and cards", "リーダーとカード";
        SectionTls "section-tls" = "TLS", "TLS";
        AllFine "all-fine" = "Everything is fine.", "すべて問題ありません。";
        SomethingToDo "something-to-do" = "Something is to be done: see the lines with TODO or FAIL.", "対応が必要なことがあります。「要対応」「異常」の行を見てください。";
        PlaceP11Kit "place-p11-kit" = "p11-kit", "p11-kit";
        PlaceChromium "place-chromium" = "Chromium / Chrome", "Chromium / Chrome";
        PlaceFirefox "place-firefox" = "Firefox", "Firefox";
        PlaceFirefoxPolicy "place-firefox-policy" = "Firefox (policy for all users)", "Firefoxの全ユーザー向けポリシー";
        NoSuchReader "no-such-reader" = "There is no reader whose name contains \"{reader}\".", "名前に「{reader}」を含むリーダーはありません。";
        AskPin "ask-pin" = "{pin}: ", "{pin}: ";
        AskNewPin "ask-new-pin" = "New {pin}: ", "新しい{pin}: ";
        AskNewPinAgain "ask-new-pin-again" = "The new one again: ", "確認のため、もう一度: ";
        AskYes "ask-yes" = "Type yes to spend the last try, anything else to stop: ", "最後の1回を使うときは「はい」と入力してください（それ以外は中止）: ";
        NewPinsDiffer "new-pins-differ" = "The two new ones are not the same; nothing was changed and no try was used up.", "新しいものが2回とも同じではないため、変更しませんでした。残りの試行回数は減っていません。";
        Stopped "stopped" = "Stopped; nothing was sent to the card, and no try was used up.", "中止しました。カードには何も送っていません。残りの試行回数も減っていません。";
        PinRight "pin-right" = "The {pin} is right; it has all its {tries}.", "{pin}は正しいです。試行回数は{tries}に戻っています。";
        PinChanged "pin-changed" = "The {pin} was changed.", "{pin}を変更しました。";
        NewPinRefused "new-pin-refused" = "The card did not take the new {pin}; the old one is still valid.", "カードが新しい{pin}を受け付けませんでした。元のものが引き続き有効です。";
        NoTerminal "no-terminal" = "A PIN is read from a terminal only, and there is none here.", "暗証番号は端末からしか入力できませんが、端末がありません。";
        SeveralCards "several-cards" = "There is a My Number card in several readers; choose one with --reader NAME.", "複数のリーダーにマイナンバーカードがあります。--reader NAME で選んでください。";
        Wrote "wrote" = "changed: {path}", "変更: {path}";
        Created "created" = "created: {path}", "作成: {path}";
        Removed "removed" = "removed: {path}", "削除: {path}";
        WouldWrite "would-write" = "would change: {path}", "変更の予定: {path}";
        WouldCreate "would-create" = "would create: {path}", "作成の予定: {path}";
        WouldRemove "would-remove" = "would remove: {path}", "削除の予定: {path}";
        AlreadyRegistered "already-registered" = "{place}: is set up already ({file})", "{place}: 登録済みです（{file}）";
        NotRegisteredHere "not-registered-here" = "{place}: there is nothing to remove ({file})", "{place}: 登録されていません（{file}）";
        BrowserRunning "browser-running" = "{place} is running; close it and run this again ({file})", "{place}が動いています。終了してから、もう一度実行してください（{file}）";
        NoProfile "no-profile" = "{place}: there is no profile of this user; start the browser once, or use --system", "{place}: このユーザーのプロファイルがありません。ブラウザーを一度起動するか、--system を使ってください";
        NoDatabaseTool "no-database-tool" = "{place}: there is no certificate database of this user, and certutil (package libnss3-tools) is missing; start the browser once or install it", "{place}: このユーザーの証明書データベースがなく、certutil（パッケージ libnss3-tools）もありません。ブラウザーを一度起動するか、certutil をインストールしてください";
        NoSystemWide "no-system-wide" = "{place}: cannot be set up for all users; run this without --system as each user", "{place}: 全ユーザー向けには登録できません。各ユーザーで --system を付けずに実行してください";
        FileTrouble "file-trouble" = "{path}: {reason}", "{path}: {reason}";
        NotUnderstoodFile "not-understood-file" = "{path}: this file is not understood, so it was left alone", "{path}: ファイルの内容を解釈できないため、変更しませんでした";
        StartAgain "start-again" = "Start the programs again for this to take effect.", "プログラムを起動し直すと有効になります。";
        WatchStart "watch-start" = "Watching the readers; Ctrl-C ends it. Move the card slowly until it reads well.", "リーダーを見張っています（Ctrl-C で終了）。うまく読み取れる位置まで、カードをゆっくり動かしてください。";
        WatchEmpty "watch-empty" = "no card", "カードなし";
        WatchForeign "watch-foreign" = "another card, not a My Number card", "マイナンバーカードではないカード";
        WatchReads "watch-reads" = "{kind}: reads well ({milliseconds} ms)", "{kind}: 読み取れます（{milliseconds}ミリ秒）";
        WatchLost "watch-lost" = "lost: the card does not answer ({reason})", "途切れました: カードが応答しません（{reason}）";
        WatchGone "watch-gone" = "the reader was unplugged", "リーダーが取り外されました";
        WatchScore "watch-score" = "{good} of {all} reads were good.", "{all}回のうち{good}回、読み取れました。";
        SectionPhone "section-phone" = "Phone as the reader", "スマートフォンをリーダーにする";
        PhoneTrouble "phone-trouble" = "The phone cannot be the reader ({reason}).", "スマートフォンをリーダーにできません（{reason}）。";
        PhoneLayCardOn "phone-lay-card-on" = "Lay the card on the back of the phone and leave both there; the app must stay in front. Ctrl-C ends it.\nThe app shows and logs each command, the PIN too: nobody should look at the phone. The app is closed at the end; `adb logcat -c` clears the phone's log.", "スマートフォンの裏にカードを置き、そのまま動かさないでください。アプリは前面に出しておいてください。Ctrl-C で終了します。\nアプリは暗証番号を含むすべての通信を表示し記録します。画面を人に見せないでください。アプリは最後に閉じます。スマートフォンのログは `adb logcat -c` で消せます。";
        PhoneStarting "phone-starting" = "The card is there: {program} is started.", "カードを読み取れるので、{program} を起動します。";
        PhoneCardHere "phone-card-here" = "The phone has a card.", "スマートフォンがカードを見つけました。";
        PhoneCardReady "phone-card-ready" = "Programs can use the card.", "プログラムからカードを使えます。";
        PhoneCardGone "phone-card-gone" = "The card was lifted, or the app is not in front any more. Lay the card on again.", "カードが離れたか、アプリが前面にありません。カードを置き直してください。";
        PhoneLate "phone-late" = "The phone did not answer in time; the program was told so. Lay the card on again.", "スマートフォンが時間内に応答しなかったので、プログラムにエラーを返しました。カードを置き直してください。";
        PhoneSilent "phone-silent" = "Something connected that does not answer as a card does; it was turned away before any command.", "カードとして応答しない相手が接続したので、コマンドを送らずに切断しました。";
        PhoneRefused "phone-refused" = "A second phone or program wanted to be the card; it was turned away.", "別のスマートフォンかプログラムがカードになろうとしたので、切断しました。";
        PhoneTaken "phone-taken" = "vpcd does not speak to this phone: another program is its card already. Do not enter a PIN; see `jpki-doctor` for who may reach its port.", "vpcdがこのスマートフォンと通信しません。別のプログラムがすでにカードになっています。暗証番号を入力しないでください。ポートに接続できる範囲は `jpki-doctor` で確認できます。";
        PhoneLatency "phone-latency" = "The phone took {milliseconds} ms for a command (median of {answers}); a login takes about {seconds} s.", "スマートフォンの応答は1回 {milliseconds} ミリ秒でした（{answers}回の中央値）。ログインには約{seconds}秒かかります。";
        PhoneOverSsh "phone-over-ssh" = "On the phone, in a terminal such as Termux, with this computer's name for COMPUTER:\n  {command}", "スマートフォンの端末アプリ（Termuxなど）で、COMPUTER をこのコンピューターの名前にして実行してください:\n  {command}";
        PhoneScan "phone-scan" = "In the app's settings, scan this code (Scan Configuration), or enter {address}.", "アプリの設定の「Scan Configuration」でこのコードを読み取るか、{address} を入力してください。";
        FallbackSelectAgain "fallback-select-again" = "This card refused the first command after it got its power; it was sent again. That is harmless.", "このカードは電源を入れた直後の最初の命令を拒否したため、送り直しました。支障はありません。";
        FallbackFilesSelected "fallback-files-selected" = "This card wants its files selected before they are read: some more commands, a little slower.", "このカードではファイルを選択してから読む必要があります。命令が少し増え、やや遅くなります。";
        FallbackPinsSelected "fallback-pins-selected" = "This card wants a PIN's file selected first: one more command for each login.", "このカードでは暗証番号のファイルを先に選択する必要があります。ログインごとに命令が1つ増えます。";
        FallbackKeysSelected "fallback-keys-selected" = "This card wants a key's file selected first: one more command for each signature.", "このカードでは鍵のファイルを先に選択する必要があります。署名ごとに命令が1つ増えます。";
        FallbackShortReads "fallback-short-reads" = "This card does not give a certificate in one answer; it is read in pieces.", "このカードは証明書を一度に返さないため、分けて読みます。";
        FallbackPowerDown "fallback-power-down" = "Leaving the application does not make this card forget a PIN, so its power is taken away after each use: safe, and slower.", "このカードはアプリケーションを離れても暗証番号の照合を解かないため、使うたびに電源を切ります。安全ですが遅くなります。";
        FallbackNeverClosed "fallback-never-closed" = "Nothing that was tried makes this card forget a PIN. Take it off the reader after use.", "試したどの方法でも、このカードの暗証番号の照合を解けませんでした。使い終わったらリーダーから外してください。";
        FallbackNoPss "fallback-no-pss" = "This card makes no RSA-PSS signatures, so TLS 1.3 does not work with it; TLS 1.2 does.", "このカードはRSA-PSSの署名ができないため、TLS 1.3では使えません。TLS 1.2では使えます。";
        ReportStart "report-start" = "This examines the card so that others can learn from it, in about a minute. Leave the card where it is.\nIt sends commands that read. It writes nothing, costs no try and sends nothing to anybody; the report holds status words, lengths and times, and nothing about you. The card is switched off once: programs that are logged in have to log in again.", "このカードの応答を調べ、ほかの人の役に立つ報告を作ります。1分ほどかかります。カードはそのまま動かさないでください。\n送るのは読み取りの命令だけです。カードには何も書き込まず、試行回数も減らず、どこにも送信しません。報告に入るのは状態コード・長さ・時間だけで、あなたに関する情報は入りません。カードの電源を一度切るので、ログイン中のプログラムではログインし直してください。";
        ReportApplications "report-applications" = "1/5 Applications: which of them does the card have? Costs nothing.", "1/5 アプリケーション: カードに何が入っているかを調べます。試行回数は減りません。";
        ReportFiles "report-files" = "2/5 Files: how long are the certificates, and how do their files end? Only the lengths are kept.", "2/5 ファイル: 証明書の長さとファイルの終わり方を調べます。残すのは長さだけです。";
        ReportReading "report-reading" = "3/5 Reading: how much does the card give at a time?", "3/5 読み取り: 一度に読める長さを調べます。";
        ReportTries "report-tries" = "4/5 Tries: how does the card answer the question for the tries left? The question is no try.", "4/5 試行回数: 残りの回数をどう答えるかを調べます。尋ねるだけでは減りません。";
        ReportRest "report-rest" = "5/5 Keys without their PIN, and random numbers: the card must refuse to sign.", "5/5 暗証番号なしでの鍵の使用と乱数: 署名は拒否されるはずです。";
        ReportTryMissing "report-try-missing" = "Not all tries of the authentication PIN are left, so the part with the PIN is left out. `jpki-doctor check-pin auth` with the right PIN restores them.", "利用者証明用の暗証番号の試行回数が減っているため、暗証番号を使う部分は省きます。`jpki-doctor check-pin auth` で正しい暗証番号を入力すると元に戻ります。";
        ReportAskPin "report-ask-pin" = "With the PIN: which signatures does the card make, and what makes it forget the PIN? The authentication PIN (4 digits) is sent once, and about ten signatures are made of random numbers. A wrong PIN costs one of three tries.\nType yes to go on, anything else to leave this out: ", "暗証番号を使う部分: どの署名ができるか、何をすると暗証番号の照合が解けるかを調べます。利用者証明用の暗証番号（4桁）を1回だけ送り、乱数に対する署名を10回ほど行います。間違えると3回のうち1回が減ります。\n続けるときは「はい」と入力してください（それ以外は省略）: ";
        ReportWithoutPin "report-without-pin" = "The part with the PIN is left out.", "暗証番号を使う部分は省きました。";
        ReportWithPin "report-with-pin" = "Signing; this takes some seconds.", "署名を試しています。数秒かかります。";
        ReportShown "report-shown" = "This is the whole report; nothing else leaves the program. To help others, put it here: {url}", "以上が報告のすべてです。これ以外の情報は出力しません。ほかの人の役に立てるには、次の場所に載せてください: {url}";
        ReportAskSave "report-ask-save" = "Type yes to save it, anything else to forget it: ", "保存するときは「はい」と入力してください（それ以外は破棄）: ";
        ReportNotSaved "report-not-saved" = "Not saved.", "保存しませんでした。";
        ReportSaved "report-saved" = "Saved: {path}", "保存しました: {path}";
        UsageNeedsWay "usage-needs-way" = "jpki-doctor: say ssh or an address after --wireless, not '{word}'", "jpki-doctor: --wireless の後には ssh かアドレスを指定してください（「{word}」は使えません）";
        Usage "usage" = "\
jpki-doctor: is everything right with the My Number card on this computer?

  jpki-doctor                              check everything; needs no PIN
  jpki-doctor --sign-test[=auth|sign]      and make a test signature (asks for the PIN)
  jpki-doctor tls HOST[:PORT]              does this site accept the card?
  jpki-doctor register [WHAT..]            set up programs: firefox, chromium, p11-kit (default: all)
  jpki-doctor unregister [WHAT..]          undo it
  jpki-doctor check-pin auth|sign          check a PIN; spends a last try only after a typed yes
  jpki-doctor change-pin auth|sign         change a PIN
  jpki-doctor ssh-pubkey                   the authentication key as a line for authorized_keys
  jpki-doctor watch [--for SECONDS]        show readers and cards live; find the spot where a card reads
  jpki-doctor phone [-- PROGRAM ..]        an Android phone on a USB cable as the card reader
  jpki-doctor report [--no-pin] [--output FILE]
                                           examine the card for a report without personal data

  --lang ja|en     language (default: by locale)
  --json           output for programs (check, tls, and phone --dry-run)
  --module FILE    the module to check and to register
  --reader NAME    the reader to use; a part of its name is enough
  --system         register for all users
  --root DIR       with --system: the system is under DIR (for packages and images)
  --dry-run        with register and unregister: only say what would be done; with phone: only check
  --wireless WAY   with phone: through ssh, or this computer's address in a WireGuard tunnel
  -v, --verbose    with a log on standard error (no PIN, no certificate)
  -h, --help       this help
  --version

Exit status: 0 everything is fine, 1 something is to be done, 2 wrong usage.
", "\
jpki-doctor: このコンピューターでマイナンバーカードを使えるかどうかを確認します。

  jpki-doctor                              すべて確認する（暗証番号は不要）
  jpki-doctor --sign-test[=auth|sign]      署名も試す（暗証番号を入力）
  jpki-doctor tls HOST[:PORT]              そのサイトがこのカードを受け付けるか調べる
  jpki-doctor register [対象..]            登録する: firefox, chromium, p11-kit（省略時はすべて）
  jpki-doctor unregister [対象..]          登録を取り消す
  jpki-doctor check-pin auth|sign          暗証番号を照合する（最後の1回は「はい」と入力したときだけ使う）
  jpki-doctor change-pin auth|sign         暗証番号を変更する
  jpki-doctor ssh-pubkey                   利用者証明用の公開鍵を authorized_keys の形式で表示する
  jpki-doctor watch [--for 秒数]           リーダーとカードの様子を表示し続ける（読み取れる位置を探す）
  jpki-doctor phone [-- プログラム ..]     USB でつないだ Android スマートフォンをリーダーにする
  jpki-doctor report [--no-pin] [--output ファイル]
                                           カードの応答を調べ、個人情報を含まない報告を作る

  --lang ja|en     言語（省略時はロケールに従う）
  --json           プログラム向けの出力（確認、tls、phone --dry-run）
  --module FILE    確認・登録するモジュール
  --reader NAME    使うリーダー（名前の一部でよい）
  --system         全ユーザー向けに登録する
  --root DIR       --system とともに: DIR の下のシステムに登録する（パッケージの作成用）
  --dry-run        register と unregister で、何をするかだけを表示する。phone では確認だけをする
  --wireless 方法  phone とともに: ssh、または WireGuard の中でのこのコンピューターのアドレス
  -v, --verbose    ログを標準エラー出力に出す（暗証番号や証明書の内容は出しません）
  -h, --help       この説明
  --version        バージョン

終了コード: 0 問題なし、1 対応が必要、2 使い方の誤り。
";
        UsageUnknown "usage-unknown" = "jpki-doctor: '{word}' is not understood; see jpki-doctor --help", "jpki-doctor: 「{word}」を解釈できません。jpki-doctor --help を見てください";
        UsageNeedsToken "usage-needs-token" = "jpki-doctor: say auth or sign after {word}", "jpki-doctor: {word} の後に auth か sign を指定してください";
        UsageNeedsHost "usage-needs-host" = "jpki-doctor: say which site after tls", "jpki-doctor: tls の後にサイトのホスト名を指定してください";
    }
}
