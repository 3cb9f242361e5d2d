/**
 * Runs a job when it is asked for: never twice at once, never more often than every `gapMs`, and once more
 * after the last request. A job that took long waits longer, so that a slow server isn't asked without a break.
 */
export class Pump {
  private busy = false;
  private wanted = false;
  private stopped = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private notBefore = 0;

  constructor(
    private readonly job: () => Promise<void>,
    private readonly gapMs: number,
  ) {}

  kick(): void {
    if (this.stopped) return;
    this.wanted = true;
    if (this.busy || this.timer !== undefined) return;
    const wait = this.notBefore - performance.now();
    if (wait <= 0) void this.run();
    else this.timer = setTimeout(() => void this.run(), wait);
  }

  /** The next run doesn't wait for the gap. */
  now(): void {
    this.notBefore = 0;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.kick();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private async run(): Promise<void> {
    this.timer = undefined;
    this.busy = true;
    this.wanted = false;
    const begun = performance.now();
    try {
      await this.job();
    } finally {
      const took = performance.now() - begun;
      this.notBefore = begun + Math.max(this.gapMs, took * 4);
      this.busy = false;
      if (this.wanted) this.kick();
    }
  }
}
