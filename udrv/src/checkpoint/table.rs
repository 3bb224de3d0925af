//! A table in a file: names with values, each once, in the order in which they were written.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::in_a_line;

/// See the module's text. In JSON it is an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<V>(Vec<(String, V)>);

impl<V> Table<V> {
    /// Its rows.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&V> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }
}

impl<V> FromIterator<(String, V)> for Table<V> {
    /// Names must be different.
    fn from_iter<T: IntoIterator<Item = (String, V)>>(rows: T) -> Table<V> {
        Table(rows.into_iter().collect())
    }
}

impl<V: Serialize> Serialize for Table<V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Table<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Table<V>, D::Error> {
        from.deserialize_map(Rows(PhantomData))
    }
}

struct Rows<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Rows<V> {
    type Value = Table<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object: names with values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table<V>, A::Error> {
        let mut table = Table(Vec::new());
        while let Some((name, value)) = map.next_entry::<String, V>()? {
            if table.get(&name).is_some() {
                return Err(Error::custom(format_args!("`{}` is there twice", in_a_line(&name))));
            }
            table.0.push((name, value));
        }
        Ok(table)
    }
}
