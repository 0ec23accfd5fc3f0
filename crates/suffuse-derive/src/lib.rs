//! `#[derive(Codec)]`: a record is its fields in declaration order; an enum is a tag byte and then a record.
//!
//! `#[tag(N)]` gives a variant its tag. `#[since(N)]` and `#[until(N)]` say which protocol versions have a
//! field; in the others it is not written and reads as its default.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, LitInt, Result, Variant, parse_macro_input,
};

/// Derives `suffuse_proto::codec::Codec`, for types of that crate.
#[proc_macro_derive(Codec, attributes(tag, since, until))]
pub fn codec(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let Coding {
        encode,
        decode,
        sample,
    } = match &input.data {
        Data::Struct(data) => record(&data.fields)?,
        Data::Enum(data) => union(name, data.variants.iter())?,
        Data::Union(_) => return Err(Error::new_spanned(name, "a union has no wire form")),
    };
    Ok(quote! {
        impl crate::codec::Codec for #name {
            fn encode(&self, out: &mut crate::codec::Writer) { #encode }
            fn decode(input: &mut crate::codec::Reader) -> ::core::result::Result<Self, crate::codec::DecodeError> { #decode }
            #[cfg(any(test, feature = "sample"))]
            fn sample(random: &mut crate::sample::Random) -> Self { #sample }
        }
    })
}

/// The bodies of the three functions.
struct Coding {
    encode: TokenStream,
    decode: TokenStream,
    sample: TokenStream,
}

fn record(of: &Fields) -> Result<Coding> {
    let Parts {
        pattern,
        encode,
        decode,
        sample,
    } = fields(of)?;
    Ok(Coding {
        encode: quote! { let Self #pattern = self; #encode },
        decode: quote! { #decode Ok(Self #pattern) },
        sample: quote! { #sample Self #pattern },
    })
}

fn union<'a>(name: &syn::Ident, variants: impl Iterator<Item = &'a Variant>) -> Result<Coding> {
    let (mut encodes, mut decodes, mut samples) = (Vec::new(), Vec::new(), Vec::new());
    for (n, variant) in variants.enumerate() {
        let (ident, tag) = (&variant.ident, tag(variant)?);
        let Parts {
            pattern,
            encode,
            decode,
            sample,
        } = fields(&variant.fields)?;
        encodes.push(quote! { Self::#ident #pattern => { out.u8(#tag); #encode } });
        decodes.push(quote! { #tag => { #decode Ok(Self::#ident #pattern) } });
        samples.push(quote! { #n => { #sample Self::#ident #pattern } });
    }
    let (of, count) = (name.to_string(), samples.len());
    Ok(Coding {
        encode: quote! { match self { #(#encodes)* } },
        decode: quote! {
            input.nested(|input| match input.u8()? {
                #(#decodes)*
                tag => Err(crate::codec::DecodeError::UnknownTag { of: #of, tag }),
            })
        },
        sample: quote! { match random.below(#count) { #(#samples)* _ => unreachable!("below its bound") } },
    })
}

/// The pattern that binds every field, and what encodes, decodes and samples all of them.
struct Parts {
    pattern: TokenStream,
    encode: TokenStream,
    decode: TokenStream,
    sample: TokenStream,
}

fn fields(fields: &Fields) -> Result<Parts> {
    let mut names = Vec::new();
    let (mut encode, mut decode, mut sample) =
        (TokenStream::new(), TokenStream::new(), TokenStream::new());
    for (n, field) in fields.iter().enumerate() {
        let name = field
            .ident
            .clone()
            .unwrap_or_else(|| format_ident!("field{n}"));
        let (since, until) = (
            number::<u8>(&field.attrs, "since")?,
            number::<u8>(&field.attrs, "until")?,
        );
        if since.is_none() && until.is_none() {
            encode.extend(quote! { crate::codec::Codec::encode(#name, out); });
            decode.extend(quote! { let #name = crate::codec::Codec::decode(input)?; });
        } else {
            let (since, until) = (since.unwrap_or(u8::MIN), until.unwrap_or(u8::MAX));
            encode.extend(quote! {
                if (#since..=#until).contains(&out.version().number()) { crate::codec::Codec::encode(#name, out); }
            });
            decode.extend(quote! {
                let #name = if (#since..=#until).contains(&input.version().number()) {
                    crate::codec::Codec::decode(input)?
                } else {
                    Default::default()
                };
            });
        }
        sample.extend(quote! { let #name = crate::codec::Codec::sample(random); });
        names.push(name);
    }
    let pattern = match fields {
        Fields::Named(_) => quote! { { #(#names),* } },
        Fields::Unnamed(_) => quote! { ( #(#names),* ) },
        Fields::Unit => quote! {},
    };
    Ok(Parts {
        pattern,
        encode,
        decode,
        sample,
    })
}

fn tag(variant: &Variant) -> Result<u8> {
    number(&variant.attrs, "tag")?.ok_or_else(|| Error::new_spanned(variant, "expected #[tag(N)]"))
}

/// The `N` of an attribute `#[name(N)]`, if it is there.
fn number<N: std::str::FromStr<Err: std::fmt::Display>>(
    attrs: &[Attribute],
    name: &str,
) -> Result<Option<N>> {
    attrs
        .iter()
        .find(|attr| attr.path().is_ident(name))
        .map(|attr| attr.parse_args::<LitInt>()?.base10_parse())
        .transpose()
}
