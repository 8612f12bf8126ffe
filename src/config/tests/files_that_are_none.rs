//! Paths at which there is no readable configuration file.

use super::*;

fn complaint_of(path: &Path) -> Option<String> {
    let started = Instant::now();
    let sources = Sources {
        files: vec![path.to_owned()],
        ..Sources::default()
    };
    let (config, complaints) = Config::from_sources(&sources);
    assert_eq!(config, Config::default());
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(complaints.len() <= 1);
    let text = complaints.first()?.to_string();
    let place = format!("{}: ", path.display());
    Some(text.strip_prefix(&place).unwrap().to_owned())
}

#[test]
fn an_absent_file_is_nothing() {
    let folder = Folder::new();
    assert_eq!(complaint_of(&folder.0.join("absent/config.toml")), None);
    let file = folder.file("file", "");
    assert_eq!(complaint_of(&file.join("config.toml")), None);
    let dangling = folder.0.join("dangling");
    symlink(folder.0.join("absent"), &dangling).unwrap();
    assert_eq!(complaint_of(&dangling), None);
    assert_eq!(complaint_of(Path::new("")), None);
}

#[test]
fn folders_devices_and_pipes_are_not_read() {
    let folder = Folder::new();
    let not_a_file = Some("not a regular file".to_owned());
    assert_eq!(complaint_of(&folder.0), not_a_file);
    for special in special_files(&folder.0) {
        assert_eq!(complaint_of(&special), not_a_file, "{special:?}");
    }
}

#[test]
fn a_large_file_is_not_read() {
    let folder = Folder::new();
    let mut text = b"#".repeat(1024 * 1024);
    assert_eq!(complaint_of(&folder.file("just", &text)), None);
    text.push(b'#');
    let too_large = Some("larger than 1 MiB, not read".to_owned());
    assert_eq!(complaint_of(&folder.file("more", &text)), too_large);
    // A file of 1 TiB that is nothing but a hole.
    let hole = fs::File::create(folder.0.join("hole")).unwrap();
    if hole.set_len(1 << 40).is_ok() {
        assert_eq!(complaint_of(&folder.0.join("hole")), too_large);
    }
}

#[test]
fn a_link_to_itself_is_named() {
    let folder = Folder::new();
    let ring = folder.0.join("ring");
    symlink(&ring, &ring).unwrap();
    assert!(complaint_of(&ring).unwrap().starts_with("cannot be read: "));
}

#[test]
fn an_unreadable_file_is_named() {
    let folder = Folder::new();
    let file = folder.file("secret", "slots = 'auth'");
    set_mode(&file, 0o000);
    // Root may read it all the same.
    if fs::File::open(&file).is_err() {
        assert!(complaint_of(&file).unwrap().starts_with("cannot be read: "));
    }
}

#[test]
fn not_utf8_is_named() {
    let folder = Folder::new();
    let not_utf8 = Some("not UTF-8".to_owned());
    assert_eq!(
        complaint_of(&folder.file("euc", b"# \xc6\xfc\xcb\xdc\n")),
        not_utf8
    );
    assert_eq!(
        complaint_of(&folder.file("utf16", b"\xff\xfes\0l\0")),
        not_utf8
    );
}
