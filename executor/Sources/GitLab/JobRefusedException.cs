namespace RunnerVm.Sources.GitLab;

/// <summary>The job asks for something that cannot be done here; the message is for its log and says what to change.</summary>
internal sealed class JobRefusedException(string message) : Exception(message);
