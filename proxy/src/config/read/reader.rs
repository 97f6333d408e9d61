//! A node as serde sees it.
//!
//! Refusals say what is expected in the words of the file; ignored parts are passed over.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::super::findings::Position;
use super::super::suggest::list;
use super::super::tree::{Entry, Kind, Node, Scalar, Step};
use super::fault::Fault;

/// Borrows a node and reads it.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) node: &'a Node,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn refuse<T>(self, expected: impl fmt::Display) -> Result<T, Fault> {
        Err(Fault::new(format!("{}: {expected}", self.node)))
    }

    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Scalar { text, value } => match *value {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Natural(value) => visitor.visit_u64(value),
                Scalar::Integer(value) => visitor.visit_i64(value),
                Scalar::Float(value) => visitor.visit_f64(value),
                Scalar::Text => visitor.visit_str(text),
            },
            Kind::List(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            Kind::Map(entries) => visitor.visit_map(Entries::of(entries)),
        }
    }

    /// What was written, even if it looks like a number; sections and lists for visitors that know more forms.
    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Scalar { value: Scalar::Null, .. } => visitor.visit_unit(),
            Kind::Scalar { text, .. } => visitor.visit_str(text),
            Kind::List(_) | Kind::Map(_) => self.any(visitor),
        }
    }

    fn whole<'de, V: Visitor<'de>>(self, visitor: V, least: i64, most: u64) -> Result<V::Value, Fault> {
        let in_range = match self.node.kind {
            Kind::Scalar { value: Scalar::Natural(value), .. } => value <= most,
            Kind::Scalar { value: Scalar::Integer(value), .. } => {
                value >= least && (value < 0 || value.unsigned_abs() <= most)
            }
            _ => false,
        };
        match most {
            _ if in_range => self.any(visitor),
            u64::MAX => self.refuse(format_args!("a whole number from {least} is expected")),
            _ => self.refuse(format_args!("a whole number from {least} to {most} is expected")),
        }
    }

    /// A section with these keys. Nothing after the colon means the section with all its defaults.
    fn section<'de, V: Visitor<'de>>(self, keys: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Map(entries) => visitor.visit_map(Entries::of(entries)),
            Kind::Scalar { value: Scalar::Null, .. } => visitor.visit_map(Entries::of(&[])),
            Kind::Scalar { text, .. } if keys.iter().any(|key| lacks_space(text, key)) => {
                self.refuse("a space is missing after the colon")
            }
            Kind::Scalar { .. } | Kind::List(_) => {
                self.refuse(format_args!("a section with {} is expected", list(keys, "and")))
            }
        }
    }

    /// One of several: its name alone, or a section with just that key.
    fn one_of<'de, V: Visitor<'de>>(self, names: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Scalar { text, .. } if names.iter().any(|name| lacks_space(text, name)) => {
                self.refuse("a space is missing after the colon")
            }
            Kind::Scalar { text, value } if *value != Scalar::Null => {
                visitor.visit_enum(Variant { name: text, at: None, content: None })
            }
            Kind::Map(entries) => match entries.as_slice() {
                [entry] if !entry.value.ignored.get() => visitor.visit_enum(Variant {
                    name: &entry.key,
                    at: Some(entry.key_at),
                    content: Some(&entry.value),
                }),
                _ => Err(Fault::new(format!(
                    "{} keys: just one of {} is allowed here",
                    entries.len(),
                    list(names, "and")
                ))),
            },
            _ => self.refuse(format_args!("{} is expected", list(names, "or"))),
        }
    }
}

/// Whether `text` is `key:value` without the space that makes it a key and a value.
fn lacks_space(text: &str, key: &str) -> bool {
    text.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
}

macro_rules! whole_numbers {
    ($($method:ident: $least:expr, $most:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.whole(visitor, $least, $most)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    whole_numbers! {
        deserialize_u8: 0, u8::MAX.into();
        deserialize_u16: 0, u16::MAX.into();
        deserialize_u32: 0, u32::MAX.into();
        deserialize_u64: 0, u64::MAX;
        deserialize_i8: i8::MIN.into(), i8::MAX as u64;
        deserialize_i16: i16::MIN.into(), i16::MAX as u64;
        deserialize_i32: i32::MIN.into(), i32::MAX as u64;
        deserialize_i64: i64::MIN, i64::MAX as u64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.kind {
            Kind::Scalar { value: Scalar::Bool(value), .. } => visitor.visit_bool(value),
            _ => self.refuse("true or false is expected"),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.kind {
            Kind::Scalar { value: Scalar::Natural(_) | Scalar::Integer(_) | Scalar::Float(_), .. } => self.any(visitor),
            _ => self.refuse("a number is expected"),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::List(_) => self.any(visitor),
            Kind::Scalar { value: Scalar::Null, .. } => visitor.visit_seq(Items { items: [].iter().enumerate() }),
            Kind::Scalar { .. } | Kind::Map(_) => self.refuse("a list is expected"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Map(_) => self.any(visitor),
            Kind::Scalar { value: Scalar::Null, .. } => visitor.visit_map(Entries::of(&[])),
            Kind::Scalar { .. } | Kind::List(_) => self.refuse("a section of names and values is expected"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.section(keys, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.one_of(names, visitor)
    }

    serde::forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

// === lists, sections, one-of ===

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        match self.items.by_ref().find(|(_, node)| !node.ignored.get()) {
            Some((i, node)) => seed.deserialize(Reader { node }).map(Some).map_err(|fault| fault.below(Step::Index(i))),
            None => Ok(None),
        }
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
}

impl<'a> Entries<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        Self { entries: entries.iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.current = self.entries.by_ref().find(|entry| !entry.value.ignored.get());
        let Some(entry) = self.current else { return Ok(None) };
        let key: StrDeserializer<'_, Fault> = entry.key.as_str().into_deserializer();
        let at_key = |fault: Fault| fault.at(Some(entry.key_at)).below(Step::Key(entry.key.clone()));
        seed.deserialize(key).map(Some).map_err(at_key)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let entry = self.current.expect("serde asks for a value only after its key");
        seed.deserialize(Reader { node: &entry.value }).map_err(|fault| fault.below(Step::Key(entry.key.clone())))
    }
}

struct Variant<'a> {
    name: &'a str,
    at: Option<Position>,
    content: Option<&'a Node>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        let value = seed.deserialize(name).map_err(|fault: Fault| fault.at(self.at))?;
        Ok((value, self))
    }
}

impl<'a> Variant<'a> {
    fn read<T>(self, read: impl FnOnce(Reader<'a>) -> Result<T, Fault>) -> Result<T, Fault> {
        match self.content {
            Some(node) => read(Reader { node }).map_err(|fault| fault.below(Step::Key(self.name.to_owned()))),
            None => Err(Fault::new(format!("{}: a value is missing: write `{}: …`", self.name, self.name))),
        }
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.content {
            Some(node) if !node.is_null() => Err(Fault::new(format!("{}: takes no value", self.name))),
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        self.read(|reader| seed.deserialize(reader))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.read(|reader| de::Deserializer::deserialize_seq(reader, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, keys: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.read(|reader| reader.section(keys, visitor))
    }
}
