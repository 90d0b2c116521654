import {
  type ConnectionExplanation,
  type RegionChoice,
  regionChoiceFromHeaders,
  regionChoiceFromLocation,
} from '@perigee/sdk'
import { Command, InvalidArgumentError, Option } from 'commander'
import { connect } from '../connect.ts'
import type { Act, Context } from '../context.ts'
import { Failure } from '../failure.ts'
import { type Colors, visible } from '../output.ts'
import type { Target } from '../target.ts'

interface ExplainOptions {
  readonly header: readonly (readonly [name: string, value: string])[]
  readonly location?: { readonly latitude: number; readonly longitude: number }
}

/** `perigee explain`: why a call from here, or for a user, goes where it goes. */
export function explainCommand(act: Act): Command {
  return new Command('explain')
    .description(
      'Tells step by step why a region is chosen: where this is and what says so, what DNS answers, how far the regions are, how their sidecars are, and who is asked first.',
    )
    .addOption(
      new Option(
        '--header <name: value>',
        "choose for the user of a request with this header; several times for several, as in --header 'cf-ipcountry: FR'",
      )
        .argParser(parseHeader)
        .default([], 'none'),
    )
    .addOption(
      new Option('--location <latitude,longitude>', 'choose for a user at this place')
        .argParser(parseLocation)
        .conflicts('header'),
    )
    .addHelpText(
      'after',
      `
Without --region, --header and --location, and with --domain, it is chosen as the SDK would in a service here: by REGION or
AWS_REGION in the environment, else by the smallest round trip.`,
    )
    .action(act(explain))
}

async function explain(context: Context, options: ExplainOptions): Promise<void> {
  const { output } = context
  const { within, region } = await chosen(context, options)
  await using perigee = await connect(within, region && { region })
  const explanation = await perigee.explain({ measure: true })
  if (output.json) output.printJson(allFields(explanation))
  else output.print(renderSteps(explanation, output.colors))
}

/** What chooses the region, and the context to ask in: a local cluster has a DNS server of its own in every region. */
async function chosen(
  context: Context,
  { header, location }: ExplainOptions,
): Promise<{ readonly within: Context; readonly region: RegionChoice | undefined }> {
  const target = await context.target()
  if (header.length === 0 && !location) return { within: context, region: byTarget(target, context) }
  if (target.regions.length === 0) {
    throw Failure.usage(
      'an address alone leaves no region to choose',
      'give --state FILE, or --domain NAME --regions A,B,C',
    )
  }
  const choice = location
    ? regionChoiceFromLocation(location, target.regions)
    : regionChoiceFromHeaders(headersOf(header), target.regions)
  if (choice) return { within: context.within(choice.region), region: choice }
  const what = location ? `no region's place is known` : 'these headers name no place'
  context.output.note(`${what}: the region is chosen as without them`)
  return { within: context, region: byTarget(target, context) }
}

function headersOf(headers: ExplainOptions['header']): Readonly<Record<string, readonly string[]>> {
  const names = new Set(headers.map(([name]) => name))
  return Object.fromEntries(
    [...names].map((one) => [one, headers.flatMap(([name, value]) => (name === one ? value : []))]),
  )
}

/** The region that the command line or the environment names, or what it comes with. */
function byTarget({ region, connect, description }: Target, { io }: Context): RegionChoice | undefined {
  if (region !== undefined) {
    const because =
      io.env.PERIGEE_REGION === region ? 'PERIGEE_REGION in the environment says so' : '--region says so'
    return { region, source: 'option', because }
  }
  if (typeof connect.region !== 'string') return undefined
  const because = connect.addresses
    ? `this one address was given, ${description}`
    : `that is the primary's, and no --region was given; asked is ${description}`
  return { region: connect.region, source: 'option', because }
}

function renderSteps({ steps }: ConnectionExplanation, colors: Colors): string {
  return steps
    .map(({ says, details }, i) =>
      [
        `${colors.bold(`${i + 1}. ${visible(says)}`)}`,
        ...details.map((detail) => `     ${visible(detail)}`),
      ].join('\n'),
    )
    .join('\n')
}

/** What isn't known is null in JSON, not left out. */
function allFields(explanation: ConnectionExplanation): unknown {
  return JSON.parse(JSON.stringify(explanation, (_, value) => value ?? null))
}

function parseHeader(text: string, before: ExplainOptions['header']): ExplainOptions['header'] {
  const colon = text.indexOf(':')
  const name = text.slice(0, colon).trim().toLowerCase()
  if (colon < 1 || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name))
    throw new InvalidArgumentError("A header is 'name: value'.")
  return [...before, [name, text.slice(colon + 1).trim()]]
}

function parseLocation(text: string): ExplainOptions['location'] {
  const [latitude = Number.NaN, longitude = Number.NaN, ...more] = text
    .split(',')
    .map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  if (more.length === 0 && Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)
    return { latitude, longitude }
  throw new InvalidArgumentError('A location is latitude,longitude in degrees, such as 48.1,11.6.')
}
