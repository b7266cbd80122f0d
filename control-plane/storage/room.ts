import { RaftwayError } from '../../shared/errors.ts'
import type { DiskRoom } from '../ports.ts'

/** Before something is written that may as well wait. STORAGE_FULL unless the disk has plenty of room. */
export function assertRoom(space: DiskRoom): void {
  if (space.look() === 'plenty') return
  const detail = `the disk of this node has ${space.freeBytes} bytes left, less than its reserve`
  throw new RaftwayError('STORAGE_FULL', detail)
}
