//! `policies.json`, Firefox's policies for all users: our entry under `SecurityDevices`. Text in, text out.

use serde_json::{Map, Value, json};

use crate::module_file::is_ours;

/// The name that Firefox shows for the module.
const NAME: &str = "JPKI My Number Card";

/// The libraries that the policy adds.
pub(crate) fn libraries(text: &str) -> Vec<String> {
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    let Some(devices) = policy.pointer("/policies/SecurityDevices") else {
        return Vec::new();
    };
    let strings = |value: &Value| -> Vec<String> {
        let all = value.as_object().into_iter().flat_map(Map::values);
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    // Since Firefox 114 under `Add`, before directly.
    [
        devices.get("Add").map(strings).unwrap_or_default(),
        strings(devices),
    ]
    .concat()
}

/// The policies with our module; `text`: the file as it is, if there is one. `None`: it is not
/// understood.
pub(crate) fn with(text: Option<&str>, library: &str) -> Option<String> {
    let mut file = match text {
        Some(text) => serde_json::from_str(text).ok()?,
        None => json!({}),
    };
    if let Some(text) = text
        && libraries(text)
            .iter()
            .filter(|one| is_ours(one))
            .eq([library])
    {
        return Some(text.to_owned());
    }
    remove_ours(&mut file);
    let devices = member(member(&mut file, "policies")?, "SecurityDevices")?;
    let old_form = is_old_form(devices);
    let list = if old_form {
        devices
    } else {
        member(devices, "Add")?
    };
    list.as_object_mut()?
        .insert(NAME.to_owned(), library.into());
    print(&file)
}

/// The policies without our module; an empty text: nothing is left in it. `None`: it is not understood.
pub(crate) fn without(text: &str) -> Option<String> {
    if !libraries(text).iter().any(|one| is_ours(one)) {
        return Some(text.to_owned());
    }
    let mut file = serde_json::from_str(text).ok()?;
    remove_ours(&mut file);
    for path in [&["policies", "SecurityDevices"][..], &["policies"], &[]] {
        drop_if_empty(&mut file, path);
    }
    if file.as_object()?.is_empty() {
        return Some(String::new());
    }
    print(&file)
}

fn print(file: &Value) -> Option<String> {
    Some(serde_json::to_string_pretty(file).ok()? + "\n")
}

/// A member that is an object, made if it is not there.
fn member<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let member = value
        .as_object_mut()?
        .entry(name)
        .or_insert_with(|| json!({}));
    member.is_object().then_some(member)
}

/// Firefox takes all of it for names and paths, unless it sees one of the two new keys.
fn is_old_form(devices: &Value) -> bool {
    let Some(devices) = devices.as_object() else {
        return false;
    };
    !devices.is_empty() && !devices.contains_key("Add") && !devices.contains_key("Delete")
}

fn remove_ours(file: &mut Value) {
    let ours = |value: &Value| value.as_str().is_some_and(is_ours);
    for pointer in ["/policies/SecurityDevices/Add", "/policies/SecurityDevices"] {
        if let Some(Value::Object(list)) = file.pointer_mut(pointer) {
            list.retain(|_, library| !ours(library));
        }
    }
}

/// Removes what our entry has left empty inside the object at this path.
fn drop_if_empty(file: &mut Value, path: &[&str]) {
    let pointer: String = path.iter().flat_map(|name| ["/", name]).collect();
    let emptied = match path.len() {
        2 => "Add",
        1 => "SecurityDevices",
        _ => "policies",
    };
    if let Some(Value::Object(object)) = file.pointer_mut(&pointer)
        && object
            .get(emptied)
            .and_then(Value::as_object)
            .is_some_and(Map::is_empty)
    {
        // `shift_remove` keeps the order of the others.
        object.shift_remove(emptied);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "/usr/lib/pkcs11/jpki-pkcs11.so";

    #[test]
    fn a_new_file_is_made_and_goes_away() {
        let text = with(None, OURS).unwrap();
        assert_eq!(libraries(&text), [OURS]);
        assert_eq!(with(Some(&text), OURS).unwrap(), text);
        assert_eq!(without(&text).unwrap(), "");
    }

    #[test]
    fn other_policies_stay_as_they_are() {
        for devices in [
            r#"{"Delete": ["x"]}"#,
            r#"{"Old": "/usr/lib/old.so"}"#,
            r#"{"Add": {"A": "/a.so"}}"#,
        ] {
            let file: Value = serde_json::from_str(&format!(
                r#"{{"policies": {{"Zoom": 1, "SecurityDevices": {devices}, "Also": [true]}}}}"#
            ))
            .unwrap();
            let before = print(&file).unwrap();
            let text = with(Some(&before), OURS).unwrap();
            assert!(libraries(&text).contains(&OURS.to_owned()));
            assert_eq!(without(&text).unwrap(), before);
        }
    }

    #[test]
    fn something_else_is_left_alone() {
        assert_eq!(with(Some("{"), OURS), None);
        assert_eq!(with(Some(r#"{"policies": []}"#), OURS), None);
        assert_eq!(without("{").unwrap(), "{");
    }
}
