//! The sources of settings, and the messages about wrong ones.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use service_kit::settings::{
    Renamed, SettingsError, Variables, comma_list, load, network_list, parsed_list, renamed,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    #[serde(deserialize_with = "comma_list")]
    audience: Vec<String>,
    #[serde(default, deserialize_with = "parsed_list")]
    ports: Vec<u16>,
    #[serde(default, deserialize_with = "network_list")]
    proxies: Vec<ipnet::IpNet>,
    limits: Limits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    size: u32,
    poll_interval: String,
}

const DEFAULTS: &str = "\
    audience = [\"a\"]\n\
    # ports = 1,2\n\
    # proxies = 10.0.0.0/8\n\
    [limits]\n\
    size = 1\n\
    poll_interval = \"1s\"\n";

const RENAMED: [Renamed; 3] = [
    renamed("limits.look", "limits.poll_interval"),
    renamed("limits.numbers", "limits.size"),
    renamed("bounds", "limits"),
];

fn sample(variables: &[(&str, &str)]) -> Result<Sample, SettingsError> {
    let env: Variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load("SAMPLE", DEFAULTS, &RENAMED, &env)
}

fn error_for(variables: &[(&str, &str)]) -> String {
    sample(variables).unwrap_err().to_string()
}

/// A file with this content, and its path.
fn file(folder: &Path, content: &str) -> String {
    let path = folder.join("file");
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_variable_overrides_the_default_and_an_empty_one_does_not() {
    assert_eq!(sample(&[("SAMPLE__LIMITS__SIZE", "7")]).unwrap().limits.size, 7);
    assert_eq!(sample(&[("SAMPLE__LIMITS__SIZE", "")]).unwrap().limits.size, 1);
}

#[test]
fn a_file_overrides_the_defaults_and_a_variable_overrides_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "audience = [\"b\", \"c\"]\n[limits]\nsize = 2\n");
    let from_file = sample(&[("SAMPLE_CONFIG", &path)]).unwrap();
    assert_eq!(from_file.audience, ["b", "c"]);
    assert_eq!((from_file.limits.size, from_file.limits.poll_interval.as_str()), (2, "1s"));
    let both = sample(&[("SAMPLE_CONFIG", &path), ("SAMPLE__LIMITS__SIZE", "3")]).unwrap();
    assert_eq!((both.limits.size, both.audience.len()), (3, 2));
    assert_eq!(sample(&[("SAMPLE_CONFIG", "")]).unwrap().limits.size, 1, "an empty variable names no file");
}

#[test]
fn a_list_may_be_written_with_commas() {
    assert_eq!(sample(&[("SAMPLE__AUDIENCE", "x, y")]).unwrap().audience, ["x", "y"]);
    assert_eq!(sample(&[("SAMPLE__AUDIENCE", " , x,")]).unwrap().audience, ["x"]);
    assert_eq!(sample(&[]).unwrap().audience, ["a"]);
}

#[test]
fn items_of_a_list_are_read_as_what_they_are_and_a_wrong_one_is_named() {
    let read = sample(&[("SAMPLE__PORTS", "80,443"), ("SAMPLE__PROXIES", "10.0.0.0/8,192.0.2.7")]).unwrap();
    assert_eq!(read.ports, [80, 443]);
    assert_eq!(
        read.proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.0/8", "192.0.2.7/32"]
    );
    assert!(error_for(&[("SAMPLE__PORTS", "80,http")]).contains("`ports` (SAMPLE__PORTS)"));
    let error = error_for(&[("SAMPLE__PROXIES", "10.0.0.0/8,everyone")]);
    assert!(
        error.contains("SAMPLE__PROXIES") && error.contains("\"everyone\" is neither a network"),
        "{error}"
    );
}

#[test]
fn a_file_named_by_a_variable_gives_its_content_without_the_last_line_break() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "9\r\n");
    assert_eq!(sample(&[("SAMPLE__LIMITS__SIZE_FILE", &path)]).unwrap().limits.size, 9);
    let path = file(folder.path(), " two words \n\n");
    let read = sample(&[("SAMPLE__LIMITS__POLL_INTERVAL_FILE", &path)]).unwrap();
    assert_eq!(read.limits.poll_interval, " two words ");
}

#[test]
fn a_value_and_a_file_for_one_key_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "9");
    let error = error_for(&[("SAMPLE__LIMITS__SIZE_FILE", &path), ("SAMPLE__LIMITS__SIZE", "1")]);
    assert!(error.contains("SAMPLE__LIMITS__SIZE_FILE") && error.contains("both set"), "{error}");
}

#[test]
fn an_empty_or_blank_file_is_an_error_that_names_variable_and_file() {
    let folder = tempfile::tempdir().unwrap();
    for content in ["", "\n", " \r\n\t\n"] {
        let path = file(folder.path(), content);
        let error = error_for(&[("SAMPLE__LIMITS__SIZE_FILE", &path)]);
        assert!(error.contains("SAMPLE__LIMITS__SIZE_FILE") && error.contains(&path), "{content:?}: {error}");
    }
    assert_eq!(sample(&[("SAMPLE__LIMITS__SIZE_FILE", "")]).unwrap().limits.size, 1, "an empty variable");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_that_names_variable_and_file() {
    for (variable, path) in
        [("SAMPLE__LIMITS__SIZE_FILE", "/nowhere/secret"), ("SAMPLE_CONFIG", "/nowhere/settings.toml")]
    {
        let error = error_for(&[(variable, path)]);
        assert!(error.contains(variable) && error.contains(path), "{error}");
    }
}

#[test]
fn an_error_names_the_key_and_its_variable_and_the_default() {
    let error = error_for(&[("SAMPLE__LIMITS__SIZE", "many")]);
    assert!(error.contains("`limits.size` (SAMPLE__LIMITS__SIZE)"), "{error}");
    assert!(error.ends_with("the default is 1"), "{error}");
}

#[test]
fn an_unknown_key_is_an_error_by_its_name_in_a_variable_and_in_the_file() {
    assert!(error_for(&[("SAMPLE__LIMITS__SIZES", "1")]).contains("sizes"));
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "limit = 1\n");
    assert!(error_for(&[("SAMPLE_CONFIG", &path)]).contains("limit"));
}

#[test]
fn a_missing_key_is_an_error_by_its_name() {
    let error = load::<Sample>("SAMPLE", "audience = []\n[limits]\nsize = 1\n", &[], &Variables::new());
    assert!(error.unwrap_err().to_string().contains("poll_interval"));
}

#[test]
fn a_value_for_a_whole_section_is_answered_with_the_variable_of_a_key_in_it() {
    let error = error_for(&[("SAMPLE__LIMITS", "10")]);
    assert!(error.contains("this is a section") && error.contains("SAMPLE__LIMITS__SIZE"), "{error}");
}

#[test]
fn a_key_in_the_wrong_form_is_answered_with_the_right_variable() {
    let error = error_for(&[("SAMPLE__LIMITS_SIZE", "10")]);
    assert!(error.ends_with("did you mean SAMPLE__LIMITS__SIZE?"), "{error}");
}

#[test]
fn the_old_name_of_a_setting_is_an_error_that_names_the_new_one_wherever_it_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let config = file(folder.path(), "[limits]\nlook = \"5s\"\n");
    let value = folder.path().join("value");
    fs::write(&value, "5s").unwrap();
    let value = value.to_str().unwrap();
    let expected = "setting `limits.look` (SAMPLE__LIMITS__LOOK) was renamed: use `limits.poll_interval` \
                    (SAMPLE__LIMITS__POLL_INTERVAL)";
    for variables in [
        [("SAMPLE__LIMITS__LOOK", "5s")],
        [("SAMPLE__LIMITS__LOOK_FILE", value)],
        [("SAMPLE_CONFIG", &config)],
    ] {
        assert_eq!(error_for(&variables), expected, "{variables:?}");
    }
    let both = error_for(&[("SAMPLE__LIMITS__LOOK", "5s"), ("SAMPLE__LIMITS__POLL_INTERVAL", "5s")]);
    assert_eq!(both, expected, "the new name beside it changes nothing");
    assert_eq!(
        sample(&[("SAMPLE__LIMITS__LOOK", "")]).unwrap().limits.poll_interval,
        "1s",
        "an empty variable"
    );
}

#[test]
fn all_old_names_are_listed_at_once() {
    let error = error_for(&[("SAMPLE__LIMITS__LOOK", "5s"), ("SAMPLE__LIMITS__NUMBERS", "5")]);
    assert!(error.contains("limits.poll_interval") && error.contains("limits.size"), "{error}");
}

#[test]
fn a_section_may_be_renamed_as_a_whole() {
    let error = error_for(&[("SAMPLE__BOUNDS__SIZE", "5")]);
    assert_eq!(error, "setting `bounds` (SAMPLE__BOUNDS) was renamed: use `limits` (SAMPLE__LIMITS)");
}

#[test]
fn old_names_in_the_sections_of_both_services_are_refused_without_being_listed() {
    for (variable, new) in [("X__TLS__LOOK", "tls.poll_interval"), ("X__LOG__AT_ONCE", "log.burst")] {
        let env = Variables::from([(variable.to_owned(), "1".to_owned())]);
        let error = load::<serde::de::IgnoredAny>("X", "", &[], &env).unwrap_err().to_string();
        assert!(error.contains(variable) && error.contains(&format!("use `{new}`")), "{error}");
    }
}

/// The warnings that are logged while these settings are read; `about` is in no other test's lines.
fn warnings(variables: &[(&str, &str)], about: &str) -> Vec<String> {
    crate::logged::start();
    let _ = sample(variables);
    crate::logged::lines(about)
}

#[test]
fn a_variable_that_differs_only_in_underscores_or_case_is_warned_of_with_the_right_name() {
    for (name, right) in [
        ("SAMPLE_LIMITS_SIZE", "SAMPLE__LIMITS__SIZE"),
        ("sample__limits__poll_interval", "SAMPLE__LIMITS__POLL_INTERVAL"),
        ("SAMPLE_AUDIENCE_FILE", "SAMPLE__AUDIENCE_FILE"),
        ("SAMPLE_PORTS", "SAMPLE__PORTS"),
    ] {
        let lines = warnings(&[(name, "x")], &format!("the variable {name} "));
        assert_eq!(lines, [format!("WARN the variable {name} sets nothing: did you mean {right}?")]);
    }
}

#[test]
fn other_variables_with_the_prefix_are_not_warned_of() {
    for name in ["SAMPLE_PORT", "SAMPLE_SERVICE_HOST", "SAMPLE_PORT_8080_TCP"] {
        assert_eq!(warnings(&[(name, "x")], &format!("the variable {name} ")), [""; 0]);
    }
}

#[test]
fn a_file_with_a_secret_that_others_may_read_is_warned_of_and_a_public_one_is_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "1");
    for (mode, variable, warned) in [
        (0o644, "SAMPLE__LIMITS__SIZE_FILE", true),
        (0o600, "SAMPLE__LIMITS__SIZE_FILE", false),
        (0o644, "SAMPLE__ISSUER_CA_FILE", false),
        (0o666, "SAMPLE__ISSUER_CA_FILE", true),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let before = warnings(&[], &path).len();
        let lines = warnings(&[(variable, &path)], &path);
        assert_eq!(lines.len() > before, warned, "{variable} with mode {mode:o}: {lines:?}");
        let target = variable.trim_end_matches("_FILE");
        assert!(!warned || lines[before].contains(target), "{lines:?}");
    }
}
