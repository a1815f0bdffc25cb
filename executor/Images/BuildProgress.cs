namespace RunnerVm.Images;

/// <summary>How far a long part is; the caller draws a bar on a terminal and plain lines elsewhere.</summary>
/// <param name="What">The long part, the same for all of its reports: "image debian-12", "kernel".</param>
/// <param name="Fraction">0 to 1, never falling within one part, or null while it cannot be known.</param>
/// <param name="Text">What it is doing now, a few words without a full stop.</param>
internal sealed record BuildProgress(string What, double? Fraction, string Text);
