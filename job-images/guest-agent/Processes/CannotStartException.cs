namespace RunnerVm.GuestAgent.Processes;

/// <summary>A process could not be started; the message is a sentence for the person who wrote the job.</summary>
internal sealed class CannotStartException(string message) : IOException(message);
