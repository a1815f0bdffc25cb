using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>Names of drives and interfaces. They stand in paths, messages, names of metrics: letters, digits, underscores.</summary>
internal static class ResourceId
{
    private const int Longest = 64;

    public static string Read(JsonFields fields, string name)
    {
        var id = fields.RequiredText(name);
        return IsId(id) ? id : throw fields.Fault(name, $"must be 1 to {Longest} letters, digits and underscores.");
    }

    /// <summary>Of the request's path, before the body is looked at.</summary>
    public static string Check(string? id) => id switch
    {
        null or "" => throw new VmmFaultException("The ID cannot be empty: put it behind the last slash of the path."),
        _ when IsId(id) => id,
        _ => throw new VmmFaultException($"API Resource IDs can only contain alphanumeric characters and underscores, {Longest} at most: change the path."),
    };

    public static void MustMatch(string path, string body, string field)
    {
        if (path != body) throw new VmmFaultException($"{field}: is {body} in the body and {path} in the path. Make them the same.");
    }

    private static bool IsId(string id) => id.Length is > 0 and <= Longest && id.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_');
}
