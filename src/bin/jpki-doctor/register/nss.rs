//! `pkcs11.txt`, the list of modules of an NSS database: paragraphs of `key=value` lines. Text in, text out.

use crate::module_file::is_ours;

/// The name that NSS's programs show for the module.
const NAME: &str = "JPKI My Number Card";

/// The libraries that a list loads.
pub(crate) fn libraries(text: &str) -> Vec<String> {
    let libraries = text
        .lines()
        .filter_map(|line| line.strip_prefix("library="));
    let named = libraries.filter(|library| !library.is_empty());
    named.map(str::to_owned).collect()
}

/// The list with our module, once. `None`: it is not understood.
pub(crate) fn with(text: &str, library: &str) -> Option<String> {
    if libraries(text)
        .iter()
        .filter(|one| is_ours(one))
        .eq([library])
    {
        return Some(text.to_owned());
    }
    let mut list = without(text)?;
    if !list.is_empty() && !list.ends_with("\n\n") {
        list.push_str(if list.ends_with('\n') { "\n" } else { "\n\n" });
    }
    list.push_str(&format!("library={library}\nname={NAME}\n\n"));
    Some(list)
}

/// The list without our module. `None`: it is not understood.
pub(crate) fn without(text: &str) -> Option<String> {
    let understood =
        |line: &str| line.trim().is_empty() || line.contains('=') || line.starts_with('#');
    if !text.lines().all(understood) {
        return None;
    }
    let mut list = String::new();
    let mut paragraph = String::new();
    let mut flush = |paragraph: &mut String| {
        if !libraries(paragraph).iter().any(|library| is_ours(library)) {
            list.push_str(paragraph);
        }
        paragraph.clear();
    };
    for line in text.split_inclusive('\n') {
        paragraph.push_str(line);
        if line.trim().is_empty() {
            flush(&mut paragraph);
        }
    }
    flush(&mut paragraph);
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "library=\nname=NSS Internal PKCS #11 Module\nparameters=configdir='sql:/x'\nNSS=Flags=internal\n\nlibrary=/usr/lib/opensc-pkcs11.so\nname=OpenSC\n\n";

    #[test]
    fn what_is_put_in_comes_out_and_nothing_else() {
        let path = "/usr/lib/pkcs11/jpki-pkcs11.so";
        let list = with(LIST, path).unwrap();
        assert_eq!(libraries(&list), ["/usr/lib/opensc-pkcs11.so", path]);
        assert_eq!(with(&list, path).unwrap(), list);
        assert_eq!(without(&list).unwrap(), LIST);
        assert_eq!(without(LIST).unwrap(), LIST);
    }

    #[test]
    fn an_old_path_is_replaced() {
        let list = with(LIST, "/old/libjpki_pkcs11.so").unwrap();
        let list = with(&list, "/new/jpki-pkcs11.so").unwrap();
        assert_eq!(
            libraries(&list),
            ["/usr/lib/opensc-pkcs11.so", "/new/jpki-pkcs11.so"]
        );
    }

    #[test]
    fn something_else_is_left_alone() {
        assert_eq!(with("SQLite format 3\u{0}", "/new/jpki-pkcs11.so"), None);
        assert_eq!(without("what is this"), None);
    }
}
