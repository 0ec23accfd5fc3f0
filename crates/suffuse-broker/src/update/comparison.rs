//! Comparisons of a value, or of a part of one, with an operand (spec: topics §8).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an item of CBOR is one of those that compare, or it does not"
)]

use std::{borrow::Cow, cmp::Ordering};

use suffuse_proto::{
    ErrorReason,
    services::topic_update::{Comparison, OperandType, Operator},
    value::cbor::{Cursor, Item},
};

use crate::broker::Answer;

/// Returns whether an item of CBOR compares.
pub(super) fn holds(value: &[u8], comparison: &Comparison) -> Answer<bool> {
    let Comparison {
        operator,
        operand_type,
        operand,
    } = comparison;
    let (operator, operand) = match (*operator, operand_type) {
        (Operator::Is, _) => return Ok(value == operand),
        (Operator::Equal | Operator::NotEqual, OperandType::String | OperandType::Null)
        | (Operator::Equal, OperandType::Boolean)
        | (_, OperandType::Int64 | OperandType::Double) => {
            (*operator, Operand::decode(*operand_type, operand)?)
        }
        (operator, operand_type) => return Err(impossible(operator, *operand_type)),
    };
    Ok(Cursor::only_item(value).is_ok_and(|value| operand.compares(&value, operator)))
}

/// Returns whether bytes that are not CBOR compare: only as bytes, or not at all.
pub(super) fn holds_for_bytes(value: &[u8], comparison: &Comparison) -> Answer<bool> {
    Ok(comparison.operator == Operator::Is && value == comparison.operand)
}

fn impossible(operator: Operator, operand_type: OperandType) -> ErrorReason {
    ErrorReason::INVALID_DATA.with(format!(
        "operator {operator:?} is not possible with an operand of type {operand_type:?}"
    ))
}

fn not_of_type(operand_type: OperandType, found: &Item<'_>) -> ErrorReason {
    ErrorReason::INVALID_DATA.with(format!(
        "an operand of type {operand_type:?} in the constraint is {}",
        found.kind()
    ))
}

/// What a value is compared with.
enum Operand<'a> {
    Null,
    Bool(bool),
    Text(Cow<'a, str>),
    Number(Number),
}

impl<'a> Operand<'a> {
    fn decode(operand_type: OperandType, bytes: &'a [u8]) -> Answer<Self> {
        let item = Cursor::only_item(bytes).map_err(|error| {
            ErrorReason::INVALID_DATA.with(format!("an operand of the constraint: {error}"))
        })?;
        match (operand_type, item) {
            (OperandType::Null, Item::Null) => Ok(Self::Null),
            (OperandType::Boolean, Item::Bool(value)) => Ok(Self::Bool(value)),
            (OperandType::String, Item::Text(text)) => Ok(Self::Text(text)),
            (OperandType::Int64 | OperandType::Double, item) => Number::of(&item)
                .map(Self::Number)
                .ok_or_else(|| not_of_type(operand_type, &item)),
            (operand_type, item) => Err(not_of_type(operand_type, &item)),
        }
    }

    /// A value that is nothing of the kind does not compare, not even as something else.
    fn compares(&self, value: &Item<'_>, operator: Operator) -> bool {
        match self {
            Self::Null => is(operator, ordering_of(*value == Item::Null)),
            Self::Bool(operand) => *value == Item::Bool(*operand),
            Self::Text(operand) => {
                text_of(value).is_some_and(|text| is(operator, ordering_of(text == *operand)))
            }
            Self::Number(operand) => number_of(value)
                .and_then(|number| number.partial_cmp(operand))
                .is_some_and(|ordering| is(operator, ordering)),
        }
    }
}

/// What only is the same or another has no order.
fn ordering_of(is_same: bool) -> Ordering {
    match is_same {
        true => Ordering::Equal,
        false => Ordering::Less,
    }
}

fn is(operator: Operator, ordering: Ordering) -> bool {
    match operator {
        Operator::Is | Operator::Equal => ordering.is_eq(),
        Operator::NotEqual => ordering.is_ne(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
    }
}

fn text_of<'a>(value: &'a Item<'_>) -> Option<Cow<'a, str>> {
    match value {
        Item::Text(text) => Some(Cow::Borrowed(text)),
        value => match Number::of(value)? {
            Number::Integer(integer) => Some(integer.to_string().into()),
            Number::Float(float) => Some(float.to_string().into()),
        },
    }
}

fn number_of(value: &Item<'_>) -> Option<Number> {
    match value {
        Item::Text(text) => Number::parse(text),
        value => Number::of(value),
    }
}

/// A number, as exact as CBOR has it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    fn of(item: &Item<'_>) -> Option<Self> {
        match item {
            Item::Unsigned(value) => Some(Self::Integer(i128::from(*value))),
            Item::Negative(complement) => Some(Self::Integer(-1 - i128::from(*complement))),
            Item::Float(value) => Some(Self::Float(*value)),
            _ => None,
        }
    }

    /// Parses a number in decimal digits. The words for infinity are none.
    fn parse(text: &str) -> Option<Self> {
        let is_decimal = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        if !text.bytes().all(is_decimal) {
            return None;
        }
        match text.parse::<i64>() {
            Ok(integer) => Some(Self::Integer(integer.into())),
            Err(_) => text.parse().ok().map(Self::Float),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (*self, *other) {
            (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Integer(a), Self::Float(b)) => compare_exactly(a, b),
            (Self::Float(a), Self::Integer(b)) => compare_exactly(b, a).map(Ordering::reverse),
        }
    }
}

/// Integers of 64 bits are not rounded to floats, which have 53.
fn compare_exactly(integer: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Beyond the range of `i128` the conversion gives the nearest one, which is beyond 64 bits too.
    let whole = float.trunc() as i128;
    let fraction = 0.0.partial_cmp(&float.fract());
    Some(
        integer
            .cmp(&whole)
            .then(fraction.unwrap_or(Ordering::Equal)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_floats_are_compared_as_what_they_are() {
        let (equal, less, greater) = (Ordering::Equal, Ordering::Less, Ordering::Greater);
        let cases = [
            (5, 5.0, Some(equal)),
            (5, 5.5, Some(less)),
            (-5, -5.5, Some(greater)),
            (0, -0.0, Some(equal)),
            (
                9_007_199_254_740_993,
                9_007_199_254_740_992.0,
                Some(greater),
            ),
            (
                i128::from(i64::MAX),
                9_223_372_036_854_775_808.0,
                Some(less),
            ),
            (i128::from(u64::MAX), f64::INFINITY, Some(less)),
            (i128::from(i64::MIN), f64::NEG_INFINITY, Some(greater)),
            (0, f64::NAN, None),
        ];
        for (integer, float, expected) in cases {
            let (a, b) = (Number::Integer(integer), Number::Float(float));
            assert_eq!(a.partial_cmp(&b), expected, "{integer} {float}");
            assert_eq!(
                b.partial_cmp(&a),
                expected.map(Ordering::reverse),
                "{integer} {float}"
            );
        }
    }

    #[test]
    fn texts_are_numbers_only_in_decimal_digits() {
        for (text, expected) in [
            ("5", Some(Number::Integer(5))),
            ("-5", Some(Number::Integer(-5))),
            ("1.5", Some(Number::Float(1.5))),
            ("1e3", Some(Number::Float(1000.0))),
            ("", None),
            (" 5", None),
            ("0x5", None),
            ("inf", None),
            ("NaN", None),
            ("1.2.3", None),
        ] {
            assert_eq!(Number::parse(text), expected, "{text}");
        }
    }
}
