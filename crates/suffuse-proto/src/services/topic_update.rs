//! Setting values, and constraints (spec: topics §6.2, §8).

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    TopicSpecification, TopicType,
    codec::{Codec, DecodeError, Reader, Writer},
};

/// Sets the value of a topic if a constraint holds.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct SetTopicRequest {
    /// Which topic.
    pub path: String,
    /// The type that the caller takes it for.
    pub topic_type: TopicType,
    /// The value.
    pub value: Bytes,
    /// What has to hold.
    pub constraint: UpdateConstraint,
}

/// Adds a topic if there is none, and sets its value if a constraint holds.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct AddAndSetTopicRequest {
    /// Which topic.
    pub path: String,
    /// What kind of topic.
    pub specification: TopicSpecification,
    /// The value.
    pub value: Bytes,
    /// What has to hold.
    pub constraint: UpdateConstraint,
}

/// Alters the value of a JSON topic by a JSON patch (RFC 6902) if a constraint holds.
#[derive(Clone, Debug, PartialEq, Eq, Codec)]
pub struct ApplyJsonPatchRequest {
    /// Which topic.
    pub path: String,
    /// The patch, as a JSON text.
    pub patch: String,
    /// What has to hold.
    pub constraint: UpdateConstraint,
}

/// What became of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub struct PatchResult {
    /// The index of the first operation that failed, so that nothing was altered; -1 if all were applied.
    pub failed_operation: i32,
}

impl PatchResult {
    /// All operations were applied.
    pub const APPLIED: Self = Self {
        failed_operation: -1,
    };
}

/// What has to hold for an update to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateConstraint {
    /// Nothing.
    Unconstrained,
    /// All of these.
    All(Vec<Self>),
    /// The topic has a value, and it compares.
    Value(Comparison),
    /// The topic exists and has no value.
    NoValue,
    /// The session holds a lock.
    Locked {
        /// The name of the lock.
        name: String,
        /// Which acquisition of it.
        sequence: i64,
    },
    /// There is no topic at the path.
    NoTopic,
    /// Parts of the JSON value compare, and others are absent.
    PartialJson {
        /// JSON pointers to values that have to compare.
        with: BTreeMap<String, Comparison>,
        /// JSON pointers to where nothing may be.
        without: Vec<String>,
    },
    /// Any of these.
    Any(Vec<Self>),
}

/// A comparison of a value with an operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// How they compare.
    pub operator: Operator,
    /// The type of the operand.
    pub operand_type: OperandType,
    /// The operand.
    pub operand: Bytes,
}

/// How values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub enum Operator {
    /// Their bytes are equal.
    #[tag(1)]
    Is,
    /// Equal.
    #[tag(2)]
    Equal,
    /// Not equal.
    #[tag(3)]
    NotEqual,
    /// Greater.
    #[tag(4)]
    Greater,
    /// Greater or equal.
    #[tag(5)]
    GreaterOrEqual,
    /// Less.
    #[tag(6)]
    Less,
    /// Less or equal.
    #[tag(7)]
    LessOrEqual,
}

/// The type of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Codec)]
pub enum OperandType {
    /// CBOR null.
    #[tag(0)]
    Null,
    /// CBOR text.
    #[tag(1)]
    String,
    /// CBOR integer.
    #[tag(2)]
    Int64,
    /// CBOR floating point.
    #[tag(3)]
    Double,
    /// Raw bytes.
    #[tag(4)]
    Binary,
    /// Any CBOR item.
    #[tag(5)]
    Json,
    /// A record value.
    #[tag(6)]
    RecordV2,
    /// CBOR true or false.
    #[tag(7)]
    Boolean,
}

/// The first version that has operators and operand types in comparisons.
const WITH_OPERATORS: u8 = 26;
/// The first version in which AND has two constraints instead of a list, and OR exists.
const BINARY: u8 = 27;

impl Codec for Comparison {
    fn encode(&self, out: &mut Writer) {
        if out.version().number() >= WITH_OPERATORS {
            self.operator.encode(out);
            self.operand_type.encode(out);
        }
        self.operand.encode(out);
    }

    fn decode(input: &mut Reader) -> Result<Self, DecodeError> {
        let (operator, operand_type) = if input.version().number() >= WITH_OPERATORS {
            (Operator::decode(input)?, OperandType::decode(input)?)
        } else {
            (Operator::Is, OperandType::Binary)
        };
        Ok(Self {
            operator,
            operand_type,
            operand: Bytes::decode(input)?,
        })
    }

    #[cfg(any(test, feature = "sample"))]
    fn sample(random: &mut crate::sample::Random) -> Self {
        Self {
            operator: Operator::sample(random),
            operand_type: OperandType::sample(random),
            operand: Bytes::sample(random),
        }
    }
}

/// Writes the two or more members of AND or OR: as a list, or as a chain of pairs.
fn encode_members(tag: u8, members: &[UpdateConstraint], out: &mut Writer) {
    if out.version().number() < BINARY {
        out.length(members.len());
        return members.iter().for_each(|member| member.encode(out));
    }
    match members {
        [] => {
            UpdateConstraint::Unconstrained.encode(out);
            UpdateConstraint::Unconstrained.encode(out);
        }
        [only] => {
            only.encode(out);
            UpdateConstraint::Unconstrained.encode(out);
        }
        [first, second] => {
            first.encode(out);
            second.encode(out);
        }
        [first, rest @ ..] => {
            first.encode(out);
            out.u8(tag);
            encode_members(tag, rest, out);
        }
    }
}

fn decode_members(input: &mut Reader) -> Result<Vec<UpdateConstraint>, DecodeError> {
    if input.version().number() < BINARY {
        return Vec::decode(input);
    }
    Ok(vec![
        UpdateConstraint::decode(input)?,
        UpdateConstraint::decode(input)?,
    ])
}

impl Codec for UpdateConstraint {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Unconstrained => out.u8(0),
            Self::All(members) => {
                out.u8(1);
                encode_members(1, members, out);
            }
            Self::Value(comparison) => {
                out.u8(2);
                comparison.encode(out);
            }
            Self::NoValue => out.u8(3),
            Self::Locked { name, sequence } => {
                out.u8(4);
                name.encode(out);
                sequence.encode(out);
            }
            Self::NoTopic => out.u8(5),
            Self::PartialJson { with, without } => {
                out.u8(6);
                with.encode(out);
                without.encode(out);
            }
            Self::Any(members) => {
                out.u8(7);
                encode_members(7, members, out);
            }
        }
    }

    fn decode(input: &mut Reader) -> Result<Self, DecodeError> {
        input.nested(|input| match input.u8()? {
            0 => Ok(Self::Unconstrained),
            1 => decode_members(input).map(Self::All),
            2 => Comparison::decode(input).map(Self::Value),
            3 => Ok(Self::NoValue),
            4 => Ok(Self::Locked {
                name: Codec::decode(input)?,
                sequence: Codec::decode(input)?,
            }),
            5 => Ok(Self::NoTopic),
            6 => Ok(Self::PartialJson {
                with: Codec::decode(input)?,
                without: Codec::decode(input)?,
            }),
            7 if input.version().number() >= BINARY => decode_members(input).map(Self::Any),
            tag => Err(DecodeError::UnknownTag {
                of: "UpdateConstraint",
                tag,
            }),
        })
    }

    #[cfg(any(test, feature = "sample"))]
    fn sample(random: &mut crate::sample::Random) -> Self {
        match random.below(10) {
            0 => Self::All(vec![Self::sample(random), Self::sample(random)]),
            1 | 2 => Self::Value(Comparison::sample(random)),
            3 => Self::NoValue,
            4 => Self::Locked {
                name: random.text(),
                sequence: random.integer(),
            },
            5 => Self::NoTopic,
            6 => Self::PartialJson {
                with: Codec::sample(random),
                without: Codec::sample(random),
            },
            7 => Self::Any(vec![Self::sample(random), Self::sample(random)]),
            _ => Self::Unconstrained,
        }
    }
}
