import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Attributes, Meter } from '@opentelemetry/api'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { parsePosition } from '@perigee/core'
import { RegionalIndex_State } from '@perigee/protocol'
import type { CallObserver } from '../grpc/call-observer.ts'
import type { PrimaryClock } from '../primary-clock.ts'
import { bearings } from '../services/search/drift.ts'
import type { DriftWatch, IndexProfile } from '../services/search/drift-watch.ts'
import type { SidecarTls } from '../tls/sidecar-tls.ts'
import { msOf } from '../wire-time.ts'
import { CallMetrics } from './call-metrics.ts'
import type { ClusterView } from './cluster-view.ts'
import { EventLoopDelay } from './event-loop-delay.ts'

/** What the gauges show at each scrape. */
export interface MetricSources {
  readonly version: string
  readonly view: ClusterView
  readonly clock: PrimaryClock
  readonly skewMs: () => number
  readonly callsInFlight: () => number
  /** gRPC's connections, and what their callers make the sidecar keep. */
  readonly connections: () => { readonly size: number; readonly bytesInFlight: number }
  readonly dataRedisUp: () => boolean
  readonly indexRedisUp: () => boolean
}

/** The sidecar's metrics, in OpenTelemetry's SDK, scraped by Prometheus. `docs/metrics.md` lists them. */
export class Metrics implements CallObserver {
  readonly #calls = new CallMetrics()
  readonly #exporter = new PrometheusExporter({
    metricProducers: [this.#calls],
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  })
  readonly #provider = new MeterProvider({ readers: [this.#exporter] })
  readonly #meter = this.#provider.getMeter('perigee')

  callEnded(method: string, status: string, durationMs: number): void {
    this.#calls.callEnded(method, status, durationMs)
  }

  /** Shows what the sources say, at each scrape. */
  observe(sources: MetricSources): void {
    const gauge = (name: string, description: string, read: (set: SetGauge) => void) =>
      observeGauge(this.#meter, { name, description, read })
    const { version, view, clock } = sources
    const loopDelay = new EventLoopDelay()

    gauge('perigee_build_info', 'The version, as a label of a constant 1', (set) => set(1, { version }))
    gauge('perigee_calls_in_flight', 'Calls being answered', (set) => set(sources.callsInFlight()))
    gauge('perigee_connections', 'Open gRPC connections', (set) => set(sources.connections().size))
    gauge('perigee_bytes_in_flight', 'Bytes of requests and answers under way', (set) =>
      set(sources.connections().bytesInFlight),
    )
    gauge('perigee_redis_up', 'Whether a Redis takes commands', (set) => {
      set(sources.dataRedisUp() ? 1 : 0, { redis: 'data' })
      set(sources.indexRedisUp() ? 1 : 0, { redis: 'index' })
    })
    gauge('perigee_redis_memory_bytes', 'Memory that the data Redis uses', (set) => {
      if (view.own.info) set(view.own.info.usedMemoryBytes, { redis: 'data' })
    })
    gauge('perigee_claimed', "Whether this region's data Redis holds a live claim", (set) =>
      set(view.own.claimed ? 1 : 0),
    )
    gauge('perigee_position_epoch', 'Epoch of the newest position of the data Redis', (set) => {
      const position = parsePosition(view.own.status().position)
      if (position) set(position.epoch)
    })
    gauge('perigee_position_seq', 'Seq of the newest position of the data Redis', (set) => {
      const position = parsePosition(view.own.status().position)
      if (position) set(position.seq)
    })
    gauge('perigee_replication_lag_seconds', 'How far this region is behind the primary', (set) => {
      const { replicationLag } = view.own.status()
      if (replicationLag) set(msOf(replicationLag) / 1000)
    })
    gauge('perigee_replication_lag_uncertainty_seconds', "Half of the lag's confidence interval", (set) => {
      const { lagUncertainty } = view.own.status()
      if (lagUncertainty) set(msOf(lagUncertainty) / 1000)
    })
    gauge(
      'perigee_clock_skew_seconds',
      "How far the primary Redis's clock is ahead of this host's",
      (set) => {
        if (Number.isFinite(clock.uncertaintyMs())) set(sources.skewMs() / 1000)
      },
    )
    gauge('perigee_peer_up', "Whether another region's sidecar answers", (set) => {
      for (const { region, reachable } of view.others) set(reachable ? 1 : 0, { region })
    })
    gauge('perigee_peer_round_trip_seconds', "Round trip to another region's sidecar", (set) => {
      for (const { region, roundTripMs } of view.others) {
        if (roundTripMs !== undefined) set(roundTripMs / 1000, { region })
      }
    })
    gauge('perigee_index_serving', "Whether this region's copy of an index answers", (set) => {
      for (const { namespace, index, state } of view.own.indexes) {
        set(state === RegionalIndex_State.BUILDING ? 0 : 1, { namespace, index })
      }
    })
    gauge('perigee_index_chunks', "Chunks in this region's copy of an index", (set) => {
      for (const { namespace, index, chunks } of view.own.indexes) set(Number(chunks), { namespace, index })
    })
    gauge('perigee_index_progress', 'How much of a copy is filled, 0 to 1', (set) => {
      for (const { namespace, index, progress } of view.own.indexes) set(progress, { namespace, index })
    })
    gauge('perigee_follower_pending', 'Changes in the log that the indexes have not applied', (set) => {
      const pending = view.own.indexes.map((index) => Number(index.pending))
      set(Math.max(0, ...pending))
    })
    gauge('process_resident_memory_bytes', 'Memory that this process holds', (set) =>
      set(process.memoryUsage.rss()),
    )
    gauge('process_heap_bytes', 'JavaScript heap in use', (set) => set(process.memoryUsage().heapUsed))
    gauge('process_heap_total_bytes', 'JavaScript heap reserved', (set) =>
      set(process.memoryUsage().heapTotal),
    )
    gauge('process_external_bytes', 'Memory of buffers outside the heap', (set) =>
      set(process.memoryUsage().external),
    )
    gauge(
      'process_event_loop_delay_p99_seconds',
      'How late timers ran since the last scrape, 99th percentile',
      (set) => {
        const seconds = loopDelay.takeP99Seconds()
        if (seconds !== undefined) set(seconds)
      },
    )
  }

  /** Shows what is known of the vectors of this region's indexes, at each scrape. */
  observeDrift(drift: DriftSource): void {
    const gauge = (name: string, description: string, read: (set: SetGauge, of: IndexProfile) => void) =>
      observeGauge(this.#meter, {
        name,
        description,
        read: (set) => {
          for (const of of drift.profiles) read(set, of)
        },
      })

    gauge(
      'perigee_index_norm_mean',
      "Mean length of an index's vectors",
      (set, { namespace, index, profile }) => set(profile.norm.mean, { namespace, index }),
    )
    gauge(
      'perigee_index_norm_deviation',
      'Standard deviation of those lengths',
      (set, { namespace, index, profile }) => set(profile.norm.deviation, { namespace, index }),
    )
    gauge(
      'perigee_index_direction_concentration',
      'How far the vectors share a direction: 0 none, 1 all',
      (set, { namespace, index, profile }) => set(profile.concentration, { namespace, index }),
    )
    gauge(
      'perigee_index_mean_direction',
      'Cosine of the mean direction to a fixed axis, the same axis in every region',
      (set, { namespace, index, profile }) => {
        for (const [axis, cosine] of bearings(profile).entries())
          set(cosine, { namespace, index, axis: String(axis) })
      },
    )
    this.#meter
      .createObservableCounter('perigee_index_departures', {
        description: 'Batches that were written with a warning that they depart from their index',
      })
      .addCallback((result) => {
        for (const { count, ...labels } of drift.warnings) result.observe(count, labels)
      })
  }

  /** Shows when certificates run out, at each scrape. */
  observeCertificates(tls: Pick<SidecarTls, 'ends'>): void {
    observeGauge(this.#meter, {
      name: 'perigee_certificate_ends_timestamp_seconds',
      description: 'When a certificate that is in use runs out',
      read: (set) => {
        for (const [use, at] of tls.ends) set(at.getTime() / 1000, { use })
      },
    })
  }

  /** Answers a scrape. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    this.#exporter.getMetricsRequestHandler(request, response)
  }

  async stop(): Promise<void> {
    await this.#provider.shutdown()
  }
}

type DriftSource = Pick<DriftWatch, 'profiles' | 'warnings'>

type SetGauge = (value: number, attributes?: Attributes) => void

function observeGauge(
  meter: Meter,
  { name, description, read }: { name: string; description: string; read: (set: SetGauge) => void },
): void {
  meter.createObservableGauge(name, { description }).addCallback((result) => {
    read((value, attributes) => result.observe(value, attributes))
  })
}
