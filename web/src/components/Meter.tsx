/** A bar of what is used of a limit. The figures beside it say the same. */
export function Meter({ share }: { share: number }) {
  const tone = share >= 1 ? "bad" : share > 0.85 ? "warn" : "good";
  return (
    <svg className={`meter ${tone}`} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect className="all" width="100" height="6" rx="3" />
      <rect className="part" width={Math.max(share * 100, share > 0 ? 2 : 0)} height="6" rx="3" />
    </svg>
  );
}
