//! The macro that makes a service from the list of its methods.

/// Makes the handlers of a service, and the list of the kinds of key that may call each method.
///
/// A row is `Method = how handler, KINDS;`. `how` is `write` for a handler that runs to its end once it has begun, and `read` for
/// one that is dropped at its deadline. The handler of a [`Change`](crate::rpc::call::change::Change) is `change`. Methods with
/// functions of their own are listed under `own`, and the functions follow.
macro_rules! service {
    (
        $package:literal $service:ident($module:ident) for $handlers:ident {
            $($method:ident = $how:ident $handler:path, $kinds:ident;)*
        }
        $(own { $($own:ident, $own_kinds:ident;)* } $($functions:tt)*)?
    ) => {
        /// The kinds of key that may call each method.
        pub(in crate::rpc) const METHODS: &[(&str, &[$crate::domain::account::KeyKind])] = &[
            $((concat!($package, ".", stringify!($service), "/", stringify!($method)), $kinds),)*
            $($((concat!($package, ".", stringify!($service), "/", stringify!($own)), $own_kinds),)*)?
        ];

        pastey::paste! {
            $(impl $crate::rpc::call::change::Method for $crate::pb::[<$method Request>] {
                const NAME: &'static str = concat!($package, ".", stringify!($service), "/", stringify!($method));

                const KINDS: &'static [$crate::domain::account::KeyKind] = $kinds;

                type Response = $crate::pb::[<$method Response>];
            })*

            #[tonic::async_trait]
            impl $crate::pb::server::$module::$service for $handlers {
                $(async fn [<$method:snake>](
                    &self,
                    request: tonic::Request<$crate::pb::[<$method Request>]>,
                ) -> Result<tonic::Response<$crate::pb::[<$method Response>]>, tonic::Status> {
                    self.rpc.$how(request, $handler).await
                })*

                $($($functions)*)?
            }
        }
    };
}

pub(in crate::rpc) use service;
