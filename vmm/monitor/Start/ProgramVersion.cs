using System.Reflection;

namespace RunnerVm.Vmm.Monitor.Start;

/// <summary>Of this program, as built.</summary>
internal static class ProgramVersion
{
    public static string Text { get; } = typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";
}
