// What the endpoints of inboxes, work queues and services have in common when they are opened.

import { checkFlag, checkName, checkOptions, checkStrategy, checkWhole, type Strategy } from './arguments';

/** How to open one. */
export interface MemberOptions {
  /** Permission bits of what has to be made. Default `0o600`: the owner alone. */
  mode?: number | undefined;
  /** Accepts what belongs to another user of this machine. Default: refused. */
  anyOwner?: boolean | undefined;
  /** How blocking calls wait. Default: `adaptive`. */
  strategy?: Strategy | undefined;
}

/** What the native layer is told of them. @internal */
export function memberArguments(
  name: string,
  options: MemberOptions | undefined,
): [mode: number | undefined, anyOwner: boolean | undefined, strategy: Strategy | undefined] {
  checkName(name);
  const { mode, anyOwner, strategy } = checkOptions(options);
  return [checkWhole(mode, 'mode', name), checkFlag(anyOwner, 'anyOwner'), checkStrategy(strategy, name)];
}
