//! The texts of the PIN dialog, in Japanese and English.

use super::{Language, Token};

/// The texts of one dialog, plain UTF-8.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialogText {
    /// Title of the window.
    pub title: String,
    /// Several lines above the field.
    pub description: String,
    /// Why the dialog is shown again; empty at the first time.
    pub error: String,
    /// Label of the field.
    pub prompt: String,
    /// The button that agrees.
    pub agree: String,
    /// The button that cancels.
    pub cancel: String,
}

/// What a dialog asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The PIN for a login.
    Login,
    /// The PIN for one signature.
    Signature {
        /// Of the data that are signed.
        hash: ShownHash,
        /// Signatures of this program since its login, without this one.
        made: u32,
    },
    /// The PIN that is going to be changed.
    OldPin,
    /// The PIN that replaces it.
    NewPin,
    /// The same once more, to find typing errors.
    NewPinAgain,
    /// Yes or no: is the last try to be used?
    LastTry,
}

/// What is signed, as the dialog shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownHash {
    /// The signature scheme, in the names of RFC 8017.
    pub scheme: &'static str,
    /// The hash function of `value`.
    pub function: &'static str,
    /// The hash.
    pub value: Vec<u8>,
}

/// Why a dialog is shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    /// The input has the wrong shape. No try was used.
    Shape,
    /// The card refused it.
    Wrong,
    /// The card refused this value before. No try was used.
    RefusedBefore,
    /// The new PIN and its repetition differ.
    Different,
}

/// Everything that a dialog depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinDialog<'a> {
    /// The PIN's token.
    pub token: Token,
    /// What it asks for.
    pub request: Request,
    /// The program that needs the PIN.
    pub program: &'a str,
    /// Tries left; `None`: of no interest for this request.
    pub tries: Option<u8>,
    /// Why it is shown again.
    pub remark: Option<Remark>,
}

impl PinDialog<'_> {
    /// Its texts.
    pub fn text(&self, language: Language) -> DialogText {
        let pin = official_name(self.token, language);
        let shape = self.token.shape(language);
        let mut lines = Vec::new();
        let (agree, cancel) = match language {
            Language::Japanese => {
                lines.push(match &self.request {
                    Request::Login => format!("{pin}（{shape}）を入力してください。"),
                    Request::Signature { .. } => format!(
                        "電子署名をします。内容を確かめてください。\n{pin}（{shape}）を入力すると署名します。"
                    ),
                    Request::OldPin => format!("現在の{pin}（{shape}）を入力してください。"),
                    Request::NewPin => format!("新しい{pin}（{shape}）を入力してください。"),
                    Request::NewPinAgain => {
                        format!("確認のため、新しい{pin}をもう一度入力してください。")
                    }
                    Request::LastTry => format!(
                        "{pin}の残りの試行回数は、あと1回です。\n次に間違えるとロックされ、市区町村の窓口で再設定するまで使えなくなります。\n最後の1回を使いますか。"
                    ),
                });
                match self.request {
                    Request::LastTry => ("使う", "使わない"),
                    Request::Signature { .. } => ("署名する", "キャンセル"),
                    _ => ("OK", "キャンセル"),
                }
            }
            Language::English => {
                lines.push(match &self.request {
                    Request::Login => format!("Enter the {pin} ({shape})."),
                    Request::Signature { .. } => format!(
                        "A signature is requested. Check what is signed.\nEnter the {pin} ({shape}) to sign."
                    ),
                    Request::OldPin => format!("Enter the current {pin} ({shape})."),
                    Request::NewPin => format!("Enter the new {pin} ({shape})."),
                    Request::NewPinAgain => format!("Enter the new {pin} once more."),
                    Request::LastTry => format!(
                        "The {pin} has one try left.\nOne more wrong entry locks it until the municipal office (市区町村の窓口) resets it.\nUse the last try?"
                    ),
                });
                match self.request {
                    Request::LastTry => ("Use it", "Do not use it"),
                    Request::Signature { .. } => ("Sign", "Cancel"),
                    _ => ("OK", "Cancel"),
                }
            }
        };
        lines.push(String::new());
        lines.push(labelled(
            language,
            ["プログラム", "Program"],
            &plain(self.program),
        ));
        if let Request::Signature { hash, made } = &self.request {
            lines.extend(signature_lines(self.token, hash, *made, language));
        }
        if let Some(tries) = self.tries {
            let tries = language.tries(tries);
            lines.push(labelled(language, ["残りの試行回数", "Tries left"], &tries));
        }
        let title = match language {
            Language::Japanese => "マイナンバーカード",
            Language::English => "My Number card",
        };
        let prompt = match (self.token, language) {
            (Token::Authentication, Language::Japanese) => "暗証番号",
            (Token::Signature, Language::Japanese) => "パスワード",
            (Token::Authentication, Language::English) => "PIN",
            (Token::Signature, Language::English) => "Password",
        };
        DialogText {
            title: title.to_owned(),
            description: lines.join("\n"),
            error: self.error(language),
            prompt: prompt.to_owned(),
            agree: agree.to_owned(),
            cancel: cancel.to_owned(),
        }
    }

    fn error(&self, language: Language) -> String {
        let shape = self.token.shape(language);
        let Some(remark) = self.remark else {
            return String::new();
        };
        match (remark, language) {
            (Remark::Shape, Language::Japanese) => {
                format!("{shape}を入力してください。カードには送っていません。")
            }
            (Remark::Shape, Language::English) => {
                format!("Enter {shape}. Nothing was sent to the card.")
            }
            (Remark::Wrong, Language::Japanese) => {
                "違います。もう一度入力してください。".to_owned()
            }
            (Remark::Wrong, Language::English) => "Wrong. Enter it again.".to_owned(),
            (Remark::RefusedBefore, Language::Japanese) => {
                "先ほど違っていたものと同じため、カードには送っていません。".to_owned()
            }
            (Remark::RefusedBefore, Language::English) => {
                "The card refused this value before. It was not sent again.".to_owned()
            }
            (Remark::Different, Language::Japanese) => {
                "2回の入力が一致しません。もう一度入力してください。".to_owned()
            }
            (Remark::Different, Language::English) => {
                "The two entries differ. Enter the new one again.".to_owned()
            }
        }
    }
}

/// The PIN in the words of the official client software.
fn official_name(token: Token, language: Language) -> &'static str {
    match (token, language) {
        (Token::Authentication, Language::Japanese) => "利用者証明用電子証明書の暗証番号",
        (Token::Authentication, Language::English) => "authentication PIN",
        (Token::Signature, Language::Japanese) => "署名用電子証明書のパスワード",
        (Token::Signature, Language::English) => "signature password",
    }
}

fn signature_lines(token: Token, hash: &ShownHash, made: u32, language: Language) -> [String; 5] {
    let ordinal = u64::from(made) + 1;
    let count = match language {
        Language::Japanese => format!("{ordinal}回目"),
        Language::English => format!("number {ordinal}"),
    };
    [
        labelled(language, ["鍵", "Key"], token.certificate(language)),
        labelled(language, ["方式", "Scheme"], hash.scheme),
        labelled(language, ["ハッシュ", "Hash"], hash.function),
        grouped(&hash.value),
        labelled(
            language,
            ["ログイン後の署名", "Signature since the login"],
            &count,
        ),
    ]
}

fn labelled(language: Language, [japanese, english]: [&str; 2], value: &str) -> String {
    match language {
        Language::Japanese => format!("{japanese}：{value}"),
        Language::English => format!("{english}: {value}"),
    }
}

/// Hexadecimal digits in groups of four, eight groups on a line: as `sha256sum` prints them, but readable.
fn grouped(value: &[u8]) -> String {
    let groups: Vec<String> = value
        .chunks(2)
        .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    let lines: Vec<String> = groups.chunks(8).map(|line| line.join(" ")).collect();
    lines.join("\n")
}

/// A program's name comes from outside: it can hold line breaks, or the markup of a toolkit.
fn plain(program: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "._+- ".contains(c);
    let short = program.chars().take(LONGEST_NAME);
    short.map(|c| if harmless(c) { c } else { '?' }).collect()
}

/// Longest program name in a dialog, in characters.
const LONGEST_NAME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(made: u32) -> Request {
        Request::Signature {
            hash: ShownHash {
                scheme: "RSASSA-PKCS1-v1_5",
                function: "SHA-256",
                value: (0..32).collect(),
            },
            made,
        }
    }

    #[test]
    fn signature_dialog_shows_program_key_hash_and_count() {
        let dialog = PinDialog {
            token: Token::Signature,
            request: signature(2),
            program: "signer",
            tries: Some(5),
            remark: None,
        };
        let english = dialog.text(Language::English).description;
        for expected in [
            "Program: signer",
            "Key: signature certificate",
            "Scheme: RSASSA-PKCS1-v1_5",
            "Hash: SHA-256\n0001 0203 0405 0607 0809 0a0b 0c0d 0e0f\n1011 1213",
            "Signature since the login: number 3",
            "Tries left: 5 tries",
        ] {
            assert!(english.contains(expected), "{expected}: {english}");
        }
        let japanese = dialog.text(Language::Japanese).description;
        assert!(japanese.contains("署名用電子証明書のパスワード"));
        assert!(japanese.contains("0001 0203") && japanese.contains("3回目"));
    }

    #[test]
    fn every_dialog_has_texts_in_both_languages() {
        for token in [Token::Authentication, Token::Signature] {
            for request in [
                Request::Login,
                signature(0),
                Request::OldPin,
                Request::NewPin,
                Request::NewPinAgain,
                Request::LastTry,
            ] {
                for remark in [
                    Remark::Shape,
                    Remark::Wrong,
                    Remark::RefusedBefore,
                    Remark::Different,
                ] {
                    let dialog = PinDialog {
                        token,
                        request: request.clone(),
                        program: "p",
                        tries: None,
                        remark: Some(remark),
                    };
                    let texts = Language::ALL.map(|language| dialog.text(language));
                    assert_ne!(texts[0], texts[1]);
                    for text in texts {
                        assert!(!text.title.is_empty() && !text.description.is_empty());
                        assert!(!text.error.is_empty() && !text.prompt.is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn program_name_cannot_change_the_dialog() {
        let dialog = PinDialog {
            token: Token::Authentication,
            request: Request::Login,
            program: "<b>firefox</b>\nTries left: 99%0A",
            tries: Some(3),
            remark: None,
        };
        let text = dialog.text(Language::English).description;
        assert!(text.contains("Program: ?b?firefox??b??Tries left? 99?0A\nTries left: 3 tries"));
    }
}
