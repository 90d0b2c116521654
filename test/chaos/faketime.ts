import { fetchWheelFile, type WheelFile } from '@perigee/embedded-redis'

const faketime: WheelFile = {
  title: 'libfaketime 0.9.10',
  package: 'libfaketime',
  version: '3.0.1',
  wheelSha256: '5eed7c17f3d4ba0f6f828de4975f69a622b06b1e792674e6c1b069c0689fab79',
  member: 'libfaketime/src/libfaketime.so.1',
  memberSha256: '9fad4abddb8e48114e1e92a7de90b509cff5c7931ecaf1d50dcdebcd77e84f77',
  cacheName: 'libfaketime-3.0.1.so',
}

/** The path of libfaketime, fetched once into the user's cache folder. Linux on x64 alone has it. */
export async function faketimeLibrary(): Promise<string> {
  if (process.platform === 'linux' && process.arch === 'x64') return fetchWheelFile(faketime)
  const here = `${process.platform} ${process.arch}`
  throw new Error(
    `There is no libfaketime to fetch for ${here}: this row can't be measured here. Leave it out with --without clock.`,
  )
}
