//! Names that settings had before.

use service_kit::settings::{Renamed, renamed};

/// Each earlier name with the name of today. An earlier name is an error.
pub(super) const RENAMED: [Renamed; 15] = [
    renamed("status_lists.look", "status_lists.poll_interval"),
    renamed("cleanup.step", "cleanup.batch_size"),
    renamed("audit.linger", "audit.flush_interval"),
    renamed("audit.refusals_from_source.at_once", "audit.refusals_from_source.burst"),
    renamed("audit.refusals_of_holder.at_once", "audit.refusals_of_holder.burst"),
    renamed("audit.first_refusals_of_holder.at_once", "audit.first_refusals_of_holder.burst"),
    renamed("limits.welcome", "limits.trusted_for"),
    renamed("limits.account_from_source.free", "limits.account_from_source.attempts"),
    renamed("limits.account.free", "limits.account.attempts"),
    renamed("limits.source.free", "limits.source.attempts"),
    renamed("limits.register.at_once", "limits.register.burst"),
    renamed("limits.refresh.at_once", "limits.refresh.burst"),
    renamed("limits.session_refresh.at_once", "limits.session_refresh.burst"),
    renamed("limits.account_refresh.at_once", "limits.account_refresh.burst"),
    renamed("limits.client_grant.at_once", "limits.client_grant.burst"),
];

#[cfg(test)]
mod tests {
    use service_kit::settings::Variables;

    use crate::settings::service::Settings;

    const NAMES: [(&str, &str); 17] = [
        ("status_lists.look", "status_lists.poll_interval"),
        ("cleanup.step", "cleanup.batch_size"),
        ("audit.linger", "audit.flush_interval"),
        ("audit.refusals_from_source.at_once", "audit.refusals_from_source.burst"),
        ("audit.refusals_of_holder.at_once", "audit.refusals_of_holder.burst"),
        ("audit.first_refusals_of_holder.at_once", "audit.first_refusals_of_holder.burst"),
        ("limits.welcome", "limits.trusted_for"),
        ("limits.account_from_source.free", "limits.account_from_source.attempts"),
        ("limits.account.free", "limits.account.attempts"),
        ("limits.source.free", "limits.source.attempts"),
        ("limits.register.at_once", "limits.register.burst"),
        ("limits.refresh.at_once", "limits.refresh.burst"),
        ("limits.session_refresh.at_once", "limits.session_refresh.burst"),
        ("limits.account_refresh.at_once", "limits.account_refresh.burst"),
        ("limits.client_grant.at_once", "limits.client_grant.burst"),
        ("tls.look", "tls.poll_interval"),
        ("log.at_once", "log.burst"),
    ];

    fn error_of(name: &str, value: &str) -> String {
        let variables = Variables::from([(name.to_owned(), value.to_owned())]);
        Settings::load(&variables).unwrap_err().to_string()
    }

    fn variable(key: &str) -> String {
        format!("AUTH__{}", key.to_uppercase().replace('.', "__"))
    }

    #[test]
    fn an_earlier_name_in_a_variable_is_an_error_that_names_the_new_one() {
        for (old, new) in NAMES {
            let error = error_of(&variable(old), "1");
            assert!(error.contains(&variable(old)) && error.contains(&variable(new)), "{old}: {error}");
        }
    }

    #[test]
    fn an_earlier_name_in_the_file_is_an_error_that_names_the_new_one() {
        for (old, new) in NAMES {
            let (section, key) = old.rsplit_once('.').unwrap();
            let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
            std::fs::write(file.path(), format!("[{section}]\n{key} = 1\n")).unwrap();
            let error = error_of("AUTH_CONFIG", file.path().to_str().unwrap());
            assert!(error.contains(&format!("`{old}`")) && error.contains(&format!("`{new}`")), "{error}");
        }
    }
}
