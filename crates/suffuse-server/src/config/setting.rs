//! The types that a setting can have, and how each is written in TOML.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use suffuse_broker::ReconnectPolicy;
use suffuse_proto::NodeId;
use toml::de::DeValue;

use super::ProxyProtocol;
use crate::{ForwardedHeader, Networks, Peers};

/// A type of settings.
pub(crate) trait Setting: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    fn read(value: &DeValue<'_>) -> Result<Self, String>;

    /// Writes the value as TOML; `None` where there is none.
    fn write(&self) -> Option<String>;
}

/// A number of bytes, written like `"32 MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub usize);

const DURATION_UNITS: &[(&str, u64)] = &[("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl Setting for Duration {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected a duration with its unit, such as \"25s\", \"500ms\" or \"5min\"";
        let text = value.as_str().ok_or(EXPECTED)?;
        let text = text.trim();
        quantity(text, DURATION_UNITS)
            .or_else(|| {
                text.strip_suffix('m')
                    .and_then(|number| scaled(number, 60_000))
            })
            .map(Self::from_millis)
            .ok_or_else(|| EXPECTED.to_owned())
    }

    fn write(&self) -> Option<String> {
        let millis = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        Some(quote(&unit_form(millis, DURATION_UNITS, "")))
    }
}

impl Setting for ByteSize {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        const EXPECTED: &str = "expected a size with its unit, such as \"32 MiB\" or \"64 KiB\"";
        let bytes = value
            .as_str()
            .and_then(|text| quantity(text.trim(), SIZE_UNITS));
        bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| EXPECTED.to_owned())
    }

    fn write(&self) -> Option<String> {
        Some(quote(&unit_form(self.0 as u64, SIZE_UNITS, " ")))
    }
}

/// Reads a decimal number and one of the units behind it.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|char: char| !char.is_ascii_digit() && char != '.')?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))?;
    scaled(number, *factor)
}

fn scaled(number: &str, factor: u64) -> Option<u64> {
    let number = number.trim();
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let product = number.parse::<f64>().ok()? * factor as f64;
    // Above 2^53 not every integer has a floating-point number.
    (product.is_finite() && (0.0..9.0e15).contains(&product)).then(|| product.round() as u64)
}

/// Writes an amount with the largest unit that needs no fraction.
fn unit_form(amount: u64, units: &[(&str, u64)], space: &str) -> String {
    let (unit, factor) = match units
        .iter()
        .find(|(_, factor)| amount > 0 && amount.is_multiple_of(*factor))
    {
        Some(found) => *found,
        None => units[units.len() - 1],
    };
    format!("{}{space}{unit}", amount / factor)
}

impl Setting for usize {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let number = value.as_integer().and_then(|number| {
            Self::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
        });
        number.ok_or_else(|| "expected a whole number, such as 10_000".to_owned())
    }

    fn write(&self) -> Option<String> {
        Some(grouped(*self))
    }
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

impl Setting for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value
            .as_bool()
            .ok_or_else(|| "expected true or false".to_owned())
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for String {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| "expected a text in quotes".to_owned())
    }

    fn write(&self) -> Option<String> {
        Some(quote(self))
    }
}

impl Setting for PathBuf {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value.as_str() {
            Some(path) if !path.is_empty() => Ok(Self::from(path)),
            _ => Err("expected the path of a file or folder in quotes".to_owned()),
        }
    }

    fn write(&self) -> Option<String> {
        Some(quote(&self.to_string_lossy()))
    }
}

impl Setting for NodeId {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let id = value.as_str().and_then(|text| text.parse().ok());
        id.ok_or_else(|| "expected three characters of a-z and 0-9, such as \"n01\"".to_owned())
    }

    fn write(&self) -> Option<String> {
        Some(quote(self.as_str()))
    }
}

impl Setting for ReconnectPolicy {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let name = value.as_str();
        let policy = Self::ALL
            .into_iter()
            .find(|policy| name == Some(policy.name()));
        policy.ok_or_else(|| {
            let names = Self::ALL.map(|policy| quote(policy.name()));
            format!("expected one of {}", names.join(", "))
        })
    }

    fn write(&self) -> Option<String> {
        Some(quote(self.name()))
    }
}

impl Setting for SocketAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let address = value.as_str().and_then(|text| text.parse().ok());
        address.ok_or_else(|| {
            "expected an IP address and a port, such as \"0.0.0.0:8080\" or \"[::]:8080\""
                .to_owned()
        })
    }

    fn write(&self) -> Option<String> {
        Some(quote(&self.to_string()))
    }
}

impl Setting for Vec<String> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        const EXPECTED: &str = "expected a list of texts, such as [\"https://app.example.com\"]";
        let items = value.as_array().ok_or(EXPECTED)?;
        let texts = items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned));
        texts
            .collect::<Option<_>>()
            .ok_or_else(|| EXPECTED.to_owned())
    }

    fn write(&self) -> Option<String> {
        let items: Self = self.iter().map(|item| quote(item)).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

impl Setting for Networks {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let texts = Vec::<String>::read(value).map_err(|_| {
            "expected a list of networks, such as [\"10.0.0.0/8\", \"127.0.0.1\"]".to_owned()
        })?;
        Self::parse(texts).map_err(|error| error.to_string())
    }

    fn write(&self) -> Option<String> {
        self.texts().collect::<Vec<_>>().write()
    }
}

const FORWARDED_HEADERS: [(&str, ForwardedHeader); 2] = [
    ("x-forwarded-for", ForwardedHeader::XForwardedFor),
    ("forwarded", ForwardedHeader::Forwarded),
];

impl Setting for ForwardedHeader {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        choice(value, &FORWARDED_HEADERS)
    }

    fn write(&self) -> Option<String> {
        write_choice(*self, &FORWARDED_HEADERS)
    }
}

const PROXY_PROTOCOLS: [(&str, ProxyProtocol); 2] =
    [("off", ProxyProtocol::Off), ("v1v2", ProxyProtocol::V1V2)];

impl Setting for ProxyProtocol {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        choice(value, &PROXY_PROTOCOLS)
    }

    fn write(&self) -> Option<String> {
        write_choice(*self, &PROXY_PROTOCOLS)
    }
}

impl Setting for Peers {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        const EXPECTED: &str = "expected a table, such as { n02 = \"http://10.0.0.2:8080\" }";
        let table = value.as_table().ok_or(EXPECTED)?;
        let pairs = table.iter().map(|(node, url)| {
            let url = url.get_ref().as_str()?;
            Some((node.get_ref().as_ref(), url))
        });
        let pairs = pairs.collect::<Option<Vec<_>>>().ok_or(EXPECTED)?;
        Self::parse(pairs)
    }

    fn write(&self) -> Option<String> {
        let pairs = self.iter().map(|(node, authority)| {
            let url = quote(&format!("http://{authority}"));
            format!("{node} = {url}")
        });
        let pairs = pairs.collect::<Vec<_>>();
        match pairs.as_slice() {
            [] => Some("{}".to_owned()),
            pairs => Some(format!("{{ {} }}", pairs.join(", "))),
        }
    }
}

/// Reads one of a few names, in any case.
fn choice<T: Copy>(value: &DeValue<'_>, choices: &[(&str, T)]) -> Result<T, String> {
    let text = value.as_str().unwrap_or_default();
    let found = choices
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, choice)| *choice).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| quote(name)).collect();
        format!("expected {}", names.join(" or "))
    })
}

fn write_choice<T: Copy + PartialEq>(value: T, choices: &[(&str, T)]) -> Option<String> {
    let found = choices.iter().find(|(_, choice)| *choice == value);
    found.map(|(name, _)| quote(name))
}

impl<T: Setting> Setting for Option<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        T::read(value).map(Some)
    }

    fn write(&self) -> Option<String> {
        self.as_ref().and_then(T::write)
    }
}

/// Writes a text as a TOML string.
pub(crate) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Setting>(toml: &str) -> Result<T, String> {
        let value = DeValue::parse(toml).map_err(|error| error.to_string())?;
        T::read(value.get_ref())
    }

    #[test]
    fn durations_have_units() {
        let cases = [
            ("\"25s\"", Some(25_000), "\"25s\""),
            ("\"500ms\"", Some(500), "\"500ms\""),
            ("\"5 min\"", Some(300_000), "\"5min\""),
            ("\"5m\"", Some(300_000), "\"5min\""),
            ("\"1.5 s\"", Some(1500), "\"1500ms\""),
            ("\"2h\"", Some(7_200_000), "\"2h\""),
            ("\"0s\"", Some(0), "\"0ms\""),
            ("\"25\"", None, ""),
            ("\"-1s\"", None, ""),
            ("\"s\"", None, ""),
            ("\"1.2.3s\"", None, ""),
            ("\"99999999999999999999s\"", None, ""),
            ("25", None, ""),
        ];
        for (toml, millis, written) in cases {
            let found: Option<Duration> = read(toml).ok();
            assert_eq!(found, millis.map(Duration::from_millis), "{toml}");
            assert_eq!(
                found.and_then(|found| found.write()).unwrap_or_default(),
                written,
                "{toml}"
            );
        }
    }

    #[test]
    fn sizes_have_units() {
        let cases = [
            ("\"32 MiB\"", Some(32 << 20), "\"32 MiB\""),
            ("\"64kib\"", Some(64 << 10), "\"64 KiB\""),
            ("\"1000 B\"", Some(1000), "\"1000 B\""),
            ("\"32 MB\"", None, ""),
            ("33554432", None, ""),
        ];
        for (toml, bytes, written) in cases {
            let found: Option<ByteSize> = read(toml).ok();
            assert_eq!(found, bytes.map(ByteSize), "{toml}");
            assert_eq!(
                found.and_then(|found| found.write()).unwrap_or_default(),
                written,
                "{toml}"
            );
        }
    }

    #[test]
    fn other_types_say_what_they_expect() {
        assert_eq!(read::<usize>("10_000"), Ok(10_000));
        assert_eq!(10_000usize.write().unwrap(), "10_000");
        assert_eq!(999usize.write().unwrap(), "999");
        assert!(read::<usize>("-1").unwrap_err().contains("whole number"));
        assert!(
            read::<bool>("\"yes\"")
                .unwrap_err()
                .contains("true or false")
        );
        assert!(
            read::<NodeId>("\"NODE\"")
                .unwrap_err()
                .contains("three characters")
        );
        assert!(
            read::<SocketAddr>("\"localhost\"")
                .unwrap_err()
                .contains("IP address")
        );
        assert_eq!(
            read::<ReconnectPolicy>("\"strict\""),
            Ok(ReconnectPolicy::Strict)
        );
        assert_eq!(
            read::<ReconnectPolicy>("\"106\"").unwrap_err(),
            "expected one of \"compatible\", \"always_106\", \"strict\""
        );
        assert!(
            read::<Vec<String>>("[1]")
                .unwrap_err()
                .contains("list of texts")
        );
        assert_eq!(
            read::<Option<PathBuf>>("\"a\"").unwrap().write().unwrap(),
            "\"a\""
        );
    }
}
