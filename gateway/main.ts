import { pino } from 'pino'
import type { Logger } from '../shared/logger.ts'
import { readGatewayOptions, type GatewayOptions } from './options.ts'
import { Supervisor, type GatewayPorts } from './supervisor.ts'

/** A gateway that runs in this process. */
export type RunningGateway = GatewayPorts & {
  /** Stops accepting, finishes requests within `drainMs`, and lets go of everything. */
  stop(): Promise<void>
  /** Begins the access log anew under its name, after another program has renamed it. */
  reopenRecords(): void
}

/**
 * Starts a gateway and resolves once all ports listen, which does not wait for a config. Without a logger, lines
 * go to stderr as JSON. Throws INVALID_REQUEST for options, and what the system says of a port that cannot be taken.
 */
export async function startGateway(
  options: GatewayOptions,
  logger: Logger = pino({ base: { gateway: options.name } }, pino.destination(2)),
): Promise<RunningGateway> {
  const supervisor = new Supervisor(readGatewayOptions(options), logger)
  const ports = await supervisor.start()
  return {
    stop: () => supervisor.stop(),
    reopenRecords: () => supervisor.reopenRecords(),
    ...ports,
  }
}
