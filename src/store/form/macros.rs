//! Macros that declare forms, and the texts that are stored as forms.

/// Makes the form of a domain struct: a serde type with the same field names, and the conversions both ways. Fields in
/// `unless_empty` are omitted from the text when they are empty, zero or none. Fields in `unless_usual` are omitted when they have
/// the value that is given there, and fields in `unless_equal` when they are equal to the field that is named there. Fields in
/// `left_out` are never stored. When a value is read, such a field gets the value that `left_out` gives. A field that the domain
/// renames keeps its stored name by `#[serde(rename = "...")]`.
macro_rules! form {
    ($($form:tt)*) => { form_with! { [] $($form)* } };
}

/// Makes the form of a domain enum. Each variant holds either one value, which is given a name here, or named fields.
macro_rules! enum_form {
    ($($form:tt)*) => { enum_form_with! { $($form)* } };
}

/// Implements `form!`. The form may have one more field, which only the copies of `later.rs` have.
macro_rules! form_with {
    (
        [$($added:ident)?]
        $(#[$doc:meta])*
        $form:ident $(<$life:lifetime>)? of $of:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }
        $(unless_empty { $($(#[$rare_attribute:meta])* $rare:ident: $rare_type:ty,)* })?
        $(unless_usual { $($unusual:ident: $unusual_type:ty = $usual:expr,)* })?
        $(unless_equal { $($unequal:ident: $unequal_type:ty = $equal:ident,)* })?
        $(left_out { $($secret:ident: $as_read:expr,)* })?
    ) => {
        $(#[$doc])*
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(in crate::store::form) struct $form $(<$life>)? {
            $($(#[$attribute])* $field: $type,)*
            $($(
                $(#[$rare_attribute])*
                #[serde(default, skip_serializing_if = "crate::store::form::field::UnlessEmpty::is_empty")]
                $rare: $rare_type,
            )*)?
            $($(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $unusual: Option<$unusual_type>,
            )*)?
            $($(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $unequal: Option<$unequal_type>,
            )*)?
            $(
                #[serde(default)]
                $added: i64,
            )?
        }

        impl<'value $(: $life, $life)?> crate::store::form::field::FormOf<'value, $of> for $form $(<$life>)? {
            fn of(value: &'value $of) -> Self {
                use crate::store::form::field::FormOf;
                Self {
                    $($field: FormOf::of(&value.$field),)*
                    $($($rare: FormOf::of(&value.$rare),)*)?
                    $($($unusual: (value.$unusual != $usual).then(|| FormOf::of(&value.$unusual)),)*)?
                    $($($unequal: (value.$unequal != value.$equal).then(|| FormOf::of(&value.$unequal)),)*)?
                    $($added: crate::store::form::later::ADDED,)?
                }
            }

            fn value(self) -> $of {
                use crate::store::form::field::FormOf;
                $(crate::store::form::later::has_read(stringify!($form), self.$added);)?
                $of {
                    $($field: FormOf::value(self.$field),)*
                    $($($rare: FormOf::value(self.$rare),)*)?
                    $($($unusual: self.$unusual.map_or($usual, FormOf::value),)*)?
                    $($($unequal: FormOf::value(self.$unequal.unwrap_or(self.$equal)),)*)?
                    $($($secret: $as_read,)*)?
                }
            }
        }
    };
}

/// Implements `enum_form!`. A variant with fields may have one more field.
macro_rules! enum_form_with {
    (
        $(#[$doc:meta])*
        $form:ident $(<$life:lifetime>)? of $of:ident {
            $($variant:ident
                $(($held:ident: $type:ty))?
                $({ $($(#[$attribute:meta])* $field:ident: $field_type:ty,)* $([$added:ident])? })?
            ,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(in crate::store::form) enum $form $(<$life>)? {
            $($variant $(($type))? $({
                $($(#[$attribute])* $field: $field_type,)*
                $(
                    #[serde(default)]
                    $added: i64,
                )?
            })?,)*
        }

        impl<'value $(: $life, $life)?> crate::store::form::field::FormOf<'value, $of> for $form $(<$life>)? {
            fn of(value: &'value $of) -> Self {
                use crate::store::form::field::FormOf;
                match value {
                    $($of::$variant $(($held))? $({ $($field,)* })? => {
                        Self::$variant $((FormOf::of($held)))? $({
                            $($field: FormOf::of($field),)*
                            $($added: crate::store::form::later::ADDED,)?
                        })?
                    })*
                }
            }

            fn value(self) -> $of {
                use crate::store::form::field::FormOf;
                match self {
                    $(Self::$variant $(($held))? $({ $($field,)* $($added)? })? => {
                        $($(crate::store::form::later::has_read(stringify!($form), $added);)?)?
                        $of::$variant $((FormOf::value($held)))? $({ $($field: FormOf::value($field),)* })?
                    })*
                }
            }
        }
    };
}

/// Declares each stored text: the version that is written with its form, then other versions that are read.
macro_rules! kept {
    ($($type:ty: writes $version:literal $form:ty $(, reads $other:literal $other_form:ty)*;)*) => {$(
        impl crate::store::form::Kept for $type {
            fn to_text(&self) -> serde_json::Result<String> {
                let form: $form = crate::store::form::field::FormOf::of(self);
                serde_json::to_string(&($version, form))
            }

            fn from_text(text: &str) -> serde_json::Result<Self> {
                crate::store::form::read(text)
            }
        }

        impl crate::store::form::Versioned for $type {
            fn read_version<'de, L: serde::de::SeqAccess<'de>>(
                version: u16,
                list: &mut L,
            ) -> Result<Option<Self>, L::Error> {
                use crate::store::form::field::FormOf;
                match version {
                    $version => Ok(list.next_element::<$form>()?.map(FormOf::value)),
                    $($other => Ok(list.next_element::<$other_form>()?.map(FormOf::value)),)*
                    _ => Err(serde::de::Error::custom(format_args!("version {version} is not known here"))),
                }
            }
        }
    )*};
}
