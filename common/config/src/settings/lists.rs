//! Keys whose value is a list. A file may hold a list; an environment has a variable for each element, numbered as in
//! OpenWhisk: `CONFIG_whisk_containerFactory_containerArgs_dnsServers_0`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Settings, fault_of};
use crate::fault::Origin;
use crate::layers::{Entry, RawValue};
use crate::setting::quoted;

impl Settings {
    /// The elements of `key`, in order; empty where nothing sets it. The highest layer that says anything says all: its
    /// elements are not mixed with those of a lower one.
    pub fn list(&mut self, key: &str) -> Vec<String> {
        let elements = self.read_list(key);
        let literal = elements.iter().map(|element| quoted(element)).collect::<Vec<_>>().join(", ");
        self.dump.add(key, Some(format!("[{literal}]")), self.origin(key));
        elements
    }

    /// Every member of an open table of lists, by its name within the table.
    pub fn list_table(&mut self, table: &str) -> BTreeMap<String, Vec<String>> {
        let prefix = format!("{table}.");
        let below = self.unread.keys().filter_map(|key| key.strip_prefix(&prefix));
        let members: BTreeSet<String> =
            below.map(|rest| rest.split('.').next().unwrap_or(rest).to_owned()).collect();
        members.into_iter().map(|member| (member.clone(), self.list(&format!("{prefix}{member}")))).collect()
    }

    fn read_list(&mut self, key: &str) -> Vec<String> {
        self.keys.insert(key.to_owned());
        let whole = self.unread.remove(key);
        let numbered = self.take_numbered(key);
        let origins = whole.iter().chain(numbered.values()).map(|entry| entry.origin.clone());
        let Some(highest) = origins.max() else { return Vec::new() };
        self.origins.insert(key.to_owned(), highest.clone());
        let of_highest: Vec<Entry> =
            numbered.into_values().filter(|entry| entry.origin.same_layer(&highest)).collect();
        match whole {
            Some(entry) if entry.origin.same_layer(&highest) => self.elements_of(entry),
            _ => of_highest.into_iter().filter_map(|entry| self.element_of(entry)).collect(),
        }
    }

    /// Members of `key` whose name is a number.
    fn take_numbered(&mut self, key: &str) -> BTreeMap<u32, Entry> {
        let prefix = format!("{key}.");
        let numbers: Vec<u32> =
            self.unread.keys().filter_map(|key| key.strip_prefix(&prefix)?.parse().ok()).collect();
        let take = |number: u32| Some((number, self.unread.remove(&format!("{prefix}{number}"))?));
        numbers.into_iter().filter_map(take).collect()
    }

    fn elements_of(&mut self, entry: Entry) -> Vec<String> {
        let message = match entry.value {
            RawValue::List(Some(elements)) => return elements,
            RawValue::List(None) => "is a list of more than plain values",
            RawValue::Text(_) if matches!(entry.origin, Origin::Environment(_)) => {
                "is one value where a list is expected: end the name in _0 for the first element, _1 for the next"
            }
            RawValue::Text(_) => "is one value where a list is expected",
        };
        self.faults.push(fault_of(entry.origin, &entry.written, message.to_owned()));
        Vec::new()
    }

    fn element_of(&mut self, entry: Entry) -> Option<String> {
        match entry.value {
            RawValue::Text(text) => Some(text),
            RawValue::List(_) => {
                let message = "is a list where one element is expected".to_owned();
                self.faults.push(fault_of(entry.origin, &entry.written, message));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::Layers;

    const KEY: &str = "whisk.container-factory.container-args.dns-servers";

    fn layers(file: &str, variables: &[(&str, &str)]) -> Layers {
        let mut layers = Layers::new(&[]);
        layers.add_file_text(Path::new("a.yaml"), file);
        layers.add_environment(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        layers
    }

    #[test]
    fn a_list_comes_from_a_file_or_from_numbered_variables() {
        let file = "whisk: {containerFactory: {containerArgs: {dnsServers: [1.1.1.1, 2.2.2.2]}}}";
        let mut settings = layers(file, &[]).into_settings();
        assert_eq!(settings.list(KEY), ["1.1.1.1", "2.2.2.2"]);
        assert!(settings.finish().unwrap().dump.to_string().contains("= [\"1.1.1.1\", \"2.2.2.2\"]"));

        let variable = |number| format!("CONFIG_whisk_containerFactory_containerArgs_dnsServers_{number}");
        let (ten, two) = (variable(10), variable(2));
        let mut settings = layers(file, &[(&ten, "b"), (&two, "a")]).into_settings();
        assert_eq!(settings.list(KEY), ["a", "b"]);
        settings.finish().unwrap();

        let mut settings = layers("{}", &[]).into_settings();
        assert_eq!(settings.list(KEY), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_list_is_a_fault() {
        for (file, text) in [
            ("a: {b: x}", "a.b: is one value where a list is expected"),
            ("a: {b: [[x]]}", "a.b: is a list of more than plain values"),
            ("a: {b: {0: [x]}}", "a.b.0: is a list where one element is expected"),
        ] {
            let mut settings = layers(file, &[]).into_settings();
            settings.list("a.b");
            assert!(settings.finish().unwrap_err().to_string().contains(text), "{file}");
        }
    }

    #[test]
    fn a_table_of_lists_has_the_members_it_is_given() {
        let variables = [
            ("CONFIG_whisk_t_capDrop_0", "ALL"),
            ("CONFIG_whisk_t_capDrop_1", "X"),
            ("CONFIG_whisk_t_env_0", "a=b"),
        ];
        let mut settings = layers("{}", &variables).into_settings();
        let table = settings.list_table("whisk.t");
        assert_eq!(table["cap-drop"], ["ALL", "X"]);
        assert_eq!(table["env"], ["a=b"]);
        settings.finish().unwrap();
    }
}
