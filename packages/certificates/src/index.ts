export { Authority, type Certificate, type CertificateRequest, type Validity } from './authority.ts'
export { CertificateFolder, type CertificatePaths, type FolderEntry } from './certificate-folder.ts'
export { sidecarCertificate } from './sidecar-certificate.ts'
