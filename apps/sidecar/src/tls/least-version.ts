/*
 * No connection of this process, in or out, is made below TLS 1.2, whatever options and environment Node was started with.
 */
import tls from 'node:tls'

if (tls.DEFAULT_MIN_VERSION !== 'TLSv1.3') tls.DEFAULT_MIN_VERSION = 'TLSv1.2'
