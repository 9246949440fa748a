//! Whom to trust: the system's certificate authorities, or the well-known ones where there are none,
//! and those of a file.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;

/// Why TLS cannot be set up. Only a change of settings helps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The file of certificate authorities is not readable.
    #[error("cannot read certificates from {file}: {error}")]
    File {
        /// Which file.
        file: String,
        /// What is wrong with it.
        error: String,
    },
    /// The cryptography is not usable.
    #[error("cannot set up TLS: {0}")]
    Provider(String),
}

/// TLS settings that trust the usual authorities and those in `file`.
pub(crate) fn client_config(file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let extra = file.map(authorities).transpose()?.unwrap_or_default();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Provider(error.to_string()))?;
    let config = match Verifier::new_with_extra_roots(extra.iter().cloned(), Arc::clone(&provider)) {
        Ok(verifier) => config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)),
        Err(error) => {
            // A container without a certificate package must still reach public venues.
            tracing::info!(%error, "no system certificates, using the well-known authorities");
            config.with_root_certificates(well_known(&extra)?)
        }
    };
    Ok(config.with_no_client_auth())
}

fn well_known(extra: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in extra {
        roots.add(certificate.clone()).map_err(|error| TlsError::Provider(error.to_string()))?;
    }
    Ok(roots)
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |error: String| TlsError::File { file: file.display().to_string(), error };
    let found = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() { Err(wrong("it holds none".to_owned())) } else { Ok(found) }
}
