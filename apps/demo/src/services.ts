import { bytes, Perigee } from '@perigee/sdk'
import { model } from './embedding/model.ts'
import { primary, type Region, regions } from './regions.ts'

/** A service that runs in one region: what it sees of the others is as far away as they really are. */
export interface Service {
  region: Region
  /** Answered by its own region. */
  nearest: Perigee
  /** Answered by us-east-1, as if there were no other region. */
  fromPrimary: Perigee
}

/** Where a region's services find the others. */
export interface RegionView {
  name: string
  /** `host:port` of the name server. */
  dns: string
}

/** The services of all regions. Close them with {@link closeServices}. */
export async function connectServices(domain: string, views: readonly RegionView[]): Promise<Service[]> {
  return Promise.all(
    regions.map(async (region): Promise<Service> => {
      const view = views.find((candidate) => candidate.name === region)
      if (!view) throw new Error(`The cluster has no region ${region}.`)
      const connect = (nearest: Region) =>
        Perigee.connect({ domain, regions: [...regions], region: nearest, dns: view.dns })
      const nearest = await connect(region)
      return { region, nearest, fromPrimary: region === primary ? nearest : await connect(primary) }
    }),
  )
}

export async function closeServices(services: readonly Service[]): Promise<void> {
  const clients = new Set(services.flatMap((service) => [service.nearest, service.fromPrimary]))
  await Promise.all([...clients].map((client) => client.close()))
}

export function serviceIn(services: readonly Service[], region: Region): Service {
  const found = services.find((service) => service.region === region)
  if (!found) throw new Error(`There is no service in ${region}.`)
  return found
}

/** The index of the corpus. */
export const docs = (client: Pick<Perigee, 'index'>) => client.index('docs', { model })

/** Ready answers of about 1 KiB each. */
export const pages = (client: Pick<Perigee, 'cache'>) => client.cache('pages', { codec: bytes })
